# SPDX-License-Identifier: GPL-2.0-or-later
"""Host B loses its power: the guest on A stops when the lease is over and waits (docs/failure-model.md)."""


def blocked(scene):
    p = scene.protection
    assert scene.lab.kill("B")
    p.wait("A", lambda status: status["state"] == "blocked")
    causes = [d["cause"] for d in p.status("A")["degraded"]]
    assert "lease-lost" in causes, causes
    assert scene.domains("A") == ["guest"], "the guest must stay resumable where it is"


def backup_comes_back(scene):
    """With nothing but the new programs on it: the guest goes on at once, and is protected again."""
    p = scene.protected()
    talk = scene.talk()
    blocked(scene)
    scene.lab.up()
    p.install(["B"])
    p.configure("backupd")
    p.start_daemon("backupd")
    scene.check_protected_again()
    talk.more()
    talk.finish()
    scene.check_memory()


def operator_decides(scene):
    p = scene.protected()
    talk = scene.talk()
    blocked(scene)
    p.unprotect("--force")
    talk.more()
    talk.finish()
    scene.check_memory()
    assert scene.domains("A") == ["guest"] and p.status("A") is None


TESTS = [("B dies and comes back: the guest waits, then goes on and is protected again", backup_comes_back),
         ("B dies, the operator says unprotect --force: the guest goes on", operator_decides)]
