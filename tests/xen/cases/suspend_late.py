# SPDX-License-Identifier: GPL-2.0-or-later
"""Protection ends while the guest's kernel, asked to suspend, has not done so yet: nobody but remusd would resume it.

The guest is paused just when its kernel has taken the request, and goes on when protection has ended.
"""

import time

from cases.suspend import CALM_MS
from cases.suspend_left import is_suspended
from lablib.protect import RUN_DIR

PID = f"$(cat {RUN_DIR}/remusd.pid)"
ENDED = f"i=0; until grep -q 'protection ended' {RUN_DIR}/remusd.log; do sleep 0.2; [ $((i+=1)) -lt 500 ] || exit 1; done"
TAKEN = "pause_taken $(xl domid guest)"
MIDWAY = TAKEN + " || exit 1; {end} & " + ENDED + "; xl unpause guest; wait"
MIDWAY_LIMIT_S = 240
WATCH_S = 60  # longer than a Linux kernel tries


def protected(scene):
    p = scene.ready()
    scene.bring("A", "pause_taken")
    p.protect(CALM_MS, suspend="cooperative")
    return scene.talk()


def ends_midway(scene, end):
    """`end`: what dom0 is told to end protection. Returns the clients' conversation."""
    talk = protected(scene)
    scene.protection.must_run("A", MIDWAY.format(end=end), MIDWAY_LIMIT_S)
    return talk


def runs_on(scene, talk):
    deadline = time.monotonic() + WATCH_S
    while time.monotonic() < deadline:
        talk.more()
        time.sleep(1)
    assert not is_suspended(scene.protection), "nobody has resumed it"
    talk.finish()
    scene.check_memory()


def unprotected(scene):
    talk = ends_midway(scene, "remusctl --timeout 100 unprotect guest")
    runs_on(scene, talk)
    assert scene.protection.events("A", "late-stop") and scene.protection.status("A") is None


def remusd_stopped(scene):
    """Its child outlives it, and the next remusd protects the guest again."""
    talk = ends_midway(scene, f"kill {PID}")
    runs_on(scene, talk)
    assert "waiting for the guest" in scene.protection.log("remusd")
    scene.protection.start_daemon("remusd")
    scene.check_protected_again()


def agent_dies(scene):
    """The next one resumes the guest, though it has not asked."""
    talk, p = protected(scene), scene.protection
    before = p.status("A")
    p.must_run("A", f"{TAKEN} && kill -9 {before['pid']}; sleep 1; xl unpause guest", MIDWAY_LIMIT_S)
    scene.check_protected_again(after=before["generation"])
    talk.more()
    talk.finish()
    scene.check_memory()


TESTS = [("unprotected while the guest's kernel is late", unprotected),
         ("remusd is stopped while the guest's kernel is late", remusd_stopped),
         ("kill -9 of remusd's child while the guest's kernel is late", agent_dies)]
