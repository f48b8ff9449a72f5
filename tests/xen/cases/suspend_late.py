# SPDX-License-Identifier: GPL-2.0-or-later
"""Protection ends while the guest's kernel, asked to suspend, has not done so yet: nobody but remusd would resume it.

The guest is paused just when its kernel has taken the request, and goes on when protection has ended.
"""

import time

from cases.suspend import CALM_MS
from cases.suspend_left import is_suspended
from lablib.protect import RUN_DIR

ENDED = f"i=0; until grep -q 'protection ended' {RUN_DIR}/remusd.log; do sleep 0.2; [ $((i+=1)) -lt 500 ] || exit 1; done"
MIDWAY = "pause_taken $(xl domid guest) || exit 1; {end} & " + ENDED + "; xl unpause guest; wait"
MIDWAY_LIMIT_S = 240
WATCH_S = 60  # longer than a Linux kernel tries


def ends_midway(scene, end):
    """`end`: what dom0 is told to end protection. Returns the clients' conversation."""
    p = scene.ready()
    scene.bring("A", "pause_taken")
    p.protect(CALM_MS, suspend="cooperative")
    talk = scene.talk()
    p.must_run("A", MIDWAY.format(end=end), MIDWAY_LIMIT_S)
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


TESTS = [("unprotected while the guest's kernel is late", unprotected)]
