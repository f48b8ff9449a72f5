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
    lines = scene.protection.must_run("B", "grep -l remus-libxl /proc/[0-9]*/comm").split()
    assert len(lines) == 1, lines
    return lines[0].split("/")[2]


def children_die(scene):
    p = scene.protected()
    talk = scene.talk()
    killed(scene, "remusd's child", "A", p.status("A")["pid"])
    killed(scene, "backupd's child", "B", p.status("B")["pid"])
    killed(scene, "libxl's process", "B", helper_of(scene))
    assert len(scene.domains("B")) == 1, f"left behind: {scene.domains('B')}"
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


TESTS = [("kill -9 of remusd's child, backupd's child, libxl's process: copied anew each time", children_die),
         ("another tool switches the dirty log off: noticed, and all is sent again", log_taken_away)]
MISHAPS = [("another tool takes the dirty log over, of an agent that lives and of one that was killed", log_taken_over)]
