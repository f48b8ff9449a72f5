# SPDX-License-Identifier: GPL-2.0-or-later
"""Protection ends, or its process does, while the guest's kernel, asked to suspend, has not done so yet: nobody but
remusd would resume it.

The guest is paused just when its kernel has taken the request, and goes on when that has happened.
"""

import time

from cases.suspend import CALM_MS
from cases.suspend_left import is_suspended
from lablib import engine_log
from lablib.protect import RUN_DIR

PID = f"$(cat {RUN_DIR}/remusd.pid)"
ENDED = f"grep -q 'protection ended' {RUN_DIR}/remusd.log"
TAKEN = "pause_taken $(xl domid guest)"
MIDWAY = (TAKEN + " || exit 1; {{ {end}; }} & i=0; until {ended}; do sleep 0.2; [ $((i+=1)) -lt 500 ] || exit 1; done; "
          "{then}; s=$?; xl unpause guest; wait; exit $s")
MIDWAY_LIMIT_S = 240
WAITING, RESUMED = "waiting for the guest", "had suspended, late"
WATCH_S = 60  # longer than a Linux kernel tries


def asked_by_kernel(scene):
    """The guest is protected by its kernel's help. Returns the clients' conversation."""
    p = scene.patient()
    scene.bring("A", "pause_taken")
    p.protect(CALM_MS, suspend="cooperative")
    return scene.talk()


def ends_midway(scene, end, ended=ENDED, then="true"):
    """What dom0 is told: to end protection, how it sees that it has ended, and what must be so then. Returns the
    clients' conversation."""
    talk = asked_by_kernel(scene)
    scene.protection.must_run("A", MIDWAY.format(end=end, ended=ended, then=then), MIDWAY_LIMIT_S)
    return talk


def runs_on(scene, talk):
    deadline = time.monotonic() + WATCH_S
    while time.monotonic() < deadline:
        talk.more()
        time.sleep(1)
    assert not is_suspended(scene.protection), "nobody has resumed it"
    assert engine_log.count(scene.protection, WAITING, "warn") == 1
    assert engine_log.count(scene.protection, RESUMED) == 1
    talk.finish()
    scene.check_memory()


def unprotected(scene):
    talk = ends_midway(scene, "remusctl --timeout 100 unprotect guest")
    runs_on(scene, talk)
    assert scene.protection.events("A", "late-stop") and scene.protection.status("A") is None


def remusd_stopped(scene):
    """Its child outlives it; the next remusd protects the guest again."""
    talk = ends_midway(scene, f"kill {PID}", f"{ENDED} && ! kill -0 {PID}", "grep -qsx remusd /proc/[0-9]*/comm")
    runs_on(scene, talk)
    scene.protection.start_daemon("remusd")
    scene.check_protected_again()
    scene.check_memory()


def agent_dies(scene):
    """The next one resumes the guest, though it has not asked."""
    talk, p = asked_by_kernel(scene), scene.protection
    before = p.status("A")
    p.must_run("A", f"{TAKEN} && kill -9 {before['pid']} && sleep 1; s=$?; xl unpause guest; exit $s", MIDWAY_LIMIT_S)
    scene.check_protected_again(after=before["generation"])
    talk.more()
    talk.finish()
    scene.check_memory()
    assert engine_log.count(p, engine_log.DEATH) == 1
    engine_log.check(p)


TESTS = [("unprotected while the guest's kernel is late", unprotected),
         ("remusd is stopped while the guest's kernel is late", remusd_stopped),
         ("kill -9 of remusd's child while the guest's kernel is late", agent_dies)]
