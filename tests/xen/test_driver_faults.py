#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# on-request
# run-alone
# time-limit-s: 1500
"""The guest's suspend driver where something is not as it should be: in dom0."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

import tap  # noqa: E402
from lablib.driver_guest import DriverGuest  # noqa: E402
from lablib.fixture import Fixture  # noqa: E402

BUILD = os.environ.get("REMUS_BUILD", HERE.parent.parent / "build")
HANGUPS, STORM, SOME = 20, 3000, 20
LOCAL = {"guest": None}
FIXTURE = Fixture()


def guest():
    if LOCAL["guest"] is None:
        raise tap.SkipTest("the guest did not start")
    return LOCAL["guest"]


def loaded_by_hand():
    it = DriverGuest(FIXTURE.need(), BUILD)
    it.start(driver="")
    LOCAL["guest"] = it
    assert it.published() == "", "something else publishes a port"
    it.run("modprobe remus_suspend")
    assert int(it.published()) > 0
    assert len(it.log_lines("remus_suspend: version")) == 1
    it.suspender("run", SOME)
    assert it.counter("checkpoints") == SOME


def hangups():
    it = guest()
    said = it.suspender("hangup", HANGUPS)
    abandoned = it.counter("abandoned")
    # Events of one connection and the next may be one.
    assert 0 < abandoned + said["suspended"] <= HANGUPS, (said, abandoned)
    assert len(it.log_lines("has closed the channel")) <= 1
    it.suspender("run", SOME)


def storm():
    it = guest()
    said = it.suspender("storm", STORM)
    assert 0 < said["suspended"] < STORM, said
    lines = len(it.run("dmesg").splitlines())
    it.suspender("storm", STORM)
    assert len(it.run("dmesg").splitlines()) <= lines + 1
    it.suspender("run", SOME)


TESTS = [("loaded by hand, announced, obeys", loaded_by_hand),
         ("requests whose sender hangs up are not obeyed", hangups),
         ("a storm of requests does no harm", storm)]

if __name__ == "__main__":
    sys.exit(FIXTURE.run_tests(TESTS))
