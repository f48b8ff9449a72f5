# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes of the engine die, or another tool takes the dirty log away: the guest goes on and is copied anew."""

from lablib.fixture import until


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


TESTS = [("kill -9 of remusd's child, backupd's child, libxl's process: copied anew each time", children_die),
         ("another tool switches the dirty log off: noticed, and all is sent again", log_taken_away)]
