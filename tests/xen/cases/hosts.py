# SPDX-License-Identifier: GPL-2.0-or-later
"""Host B loses its power: the guest on A stops when the lease is over and waits; or B is not fit to resume the
guest when it has to (docs/failure-model.md)."""

from lablib.protect import HOTPLUG, HOTPLUG_DIR


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


def no_bridge_at_the_backup(scene):
    """A guest without network is of no use to anybody: it waits for the bridge, and is lost by nothing."""
    p = scene.protected()
    talk = scene.talk()
    p.must_run("B", "ip link set xenbr0 down && ip link set xenbr0 name away")
    scene.kill_primary()
    p.wait("B", lambda s: [d for d in s["degraded"] if d["cause"] == "activation" and "no bridge" in d["text"]])
    assert p.status("B")["state"] == "activating", p.status("B")
    assert scene.domains("B") != ["guest"], "it runs without network"
    p.must_run("B", "ip link set away name xenbr0 && ip link set xenbr0 up")
    scene.check_took_over(talk)


def hotplug_fails_at_the_backup(scene):
    """libxl destroys what it cannot finish. That is no loss while there is a primary."""
    p = scene.protected()
    talk = scene.talk()
    p.must_run("B", f"printf '#!/bin/sh\\nexit 1\\n' >{HOTPLUG_DIR}/{HOTPLUG}")
    reply = p.ctl("A", "failover", "guest")
    assert not reply["ok"] and reply["hint"] == "the VM goes on here", reply
    scene.check_protected_again()
    assert not p.status("B")["degraded"], p.status("B")
    talk.more()
    scene.kill_primary()
    p.wait("B", lambda s: s["state"] == "failed" and "replica was lost" in str(s["degraded"]))
    assert not p.status("B")["protected"] and scene.domains("B") == [], p.status("B")
    reply = p.ctl("B", "--backup", "forget", "guest")
    assert reply["ok"] and p.status("B") is None, reply


TESTS = [("B dies and comes back: the guest waits, then goes on and is protected again", backup_comes_back)]
MISHAPS = [("B dies, the operator says unprotect --force: the guest goes on", operator_decides),
           ("A dies, and B has lost the guest's bridge: resumed when that is back", no_bridge_at_the_backup),
           ("the guest's hotplug script fails at B: planned, it goes on at A; else it is lost, and B says so",
            hotplug_fails_at_the_backup)]
