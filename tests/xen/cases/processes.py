# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes of the engine die, or another tool takes the dirty log away: the guest goes on and is copied anew."""

from lablib.fixture import until
from lablib.protect import RUN_DIR
from lablib.scene import LIVELY

LEASE_MS = 60000


def killed(scene, what, host, pid):
    p = scene.protection
    talk = scene.talks[-1]
    before = p.status("A")["generation"]
    p.must_run(host, f"kill -9 {pid}")
    scene.check_protected_again(after=before)
    print(f"# protected again after the death of {what}")
    talk.more()


def helper_of(scene):
    """The process at B in which libxl waits for the end of the replica's stream."""
    pids = scene.protection.pids("B", "remus-libxl")
    assert len(pids) == 1, pids
    return pids[0]


def replicas(scene):
    """Domain numbers at B of what is no VM yet."""
    return scene.protection.must_run("B", "xl list | awk '/^remus-replica-/ {print $2}'").split()


def left_half_built(scene):
    """Nobody is left who would clean up, and backupd stands still meanwhile: the next process of this VM finds the
    domain by its UUID."""
    p = scene.protection
    before, old, helper = p.status("A")["generation"], replicas(scene), helper_of(scene)
    child, daemon = p.status("B")["pid"], f"$(cat {RUN_DIR}/backupd.pid)"
    p.must_run("B", f"kill -STOP {daemon} {helper}; kill -9 {child} {helper}")
    until("what libxl's process started has ended", lambda: not p.pids("B", "libxl-save-help"))
    assert len(old) == 1 and replicas(scene) == old, (old, replicas(scene))
    p.must_run("B", f"kill -CONT {daemon}")
    scene.check_protected_again(after=before)
    assert len(scene.domains("B")) == 1 and replicas(scene) != old, (old, scene.domains("B"))


def children_die(scene):
    p = scene.protected()
    talk = scene.talk()
    killed(scene, "remusd's child", "A", p.status("A")["pid"])
    killed(scene, "backupd's child", "B", p.status("B")["pid"])
    killed(scene, "libxl's process", "B", helper_of(scene))
    assert len(scene.domains("B")) == 1, f"left behind: {scene.domains('B')}"
    left_half_built(scene)
    talk.more()
    scene.kill_primary()
    scene.check_took_over(talk)


def killed_in_the_first_copy(scene):
    p = scene.ready()
    talk = scene.talk()
    assert p.ask_protect()["ok"]
    p.wait("B", lambda status: status and status["state"] == "receiving")
    left_half_built(scene)
    talk.more()
    scene.kill_primary()
    scene.check_took_over(talk)


def log_taken_away(scene):
    """What was written meanwhile is in no log: unless all is sent again, the copy is of two moments."""
    p = scene.protected()
    talk = scene.talk()
    scene.bring("A", "logdirty")
    bytes_before = p.status("A")["bytes_content"]
    p.must_run("A", "logdirty off $(xl domid guest)")
    until("it is noticed", lambda: [e for e in p.events("A") if "dirty log" in e["text"]])
    scene.check_protected_again()
    assert p.status("A")["bytes_content"] > bytes_before, "nothing was sent again"
    talk.more()
    p.must_run("A", "xl destroy guest")
    scene.check_took_over(talk)


def left_alone_until_done(scene, talk):
    """The other tool has the log: it is told once, nothing is done about it, and protection comes back."""
    p = scene.protection
    p.wait("A", lambda s: s and s["state"] == "unprotected" and "another tool has the dirty log" in str(s["degraded"]))
    before, sessions = p.events("A"), p.events("B", "session")
    talk.more(4 * LIVELY)
    assert p.events("A") == before and p.events("B", "session") == sessions, p.events("A")
    p.must_run("A", "logdirty off $(xl domid guest)")  # fails when it is off already
    scene.check_protected_again()
    talk.more()


def log_taken_over(scene):
    """As xl migrate and xl remus do: first while it is in use, then from an agent that was killed."""
    p = scene.ready()
    p.stop()
    p.start(detector_floor_ms=LEASE_MS, detector_ceiling_ms=LEASE_MS)  # the next agent has to be there by then
    p.protect()
    talk = scene.talk()
    scene.bring("A", "logdirty")
    p.must_run("A", "logdirty take $(xl domid guest)")
    left_alone_until_done(scene, talk)
    pid = f"$(cat {RUN_DIR}/remusd.pid)"  # stopped, it starts no new agent before the tool has come
    p.must_run("A", f"kill -STOP {pid}; kill -9 {p.status('A')['pid']}; logdirty take $(xl domid guest); kill -CONT {pid}")
    left_alone_until_done(scene, talk)
    assert not p.events("B", "takeover"), p.events("B")
    p.must_run("A", "xl destroy guest")
    scene.check_took_over(talk)


TESTS = [("kill -9 of remusd's child, backupd's child, libxl's process, of both: copied anew each time", children_die),
         ("another tool switches the dirty log off: noticed, and all is sent again", log_taken_away)]
MISHAPS = [("kill -9 of backupd's child and libxl's process in the first copy: its domain is found and destroyed",
            killed_in_the_first_copy),
           ("another tool takes the dirty log over, of an agent that lives and of one that was killed", log_taken_over)]
