#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit-s: 2400
"""A Linux guest protected from one emulated Xen host to another: the cases are in cases/, one file per kind."""

import functools
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

import tap  # noqa: E402
from cases import bad_input, export, failover, frames, guests, hosts, operator, processes  # noqa: E402
from lablib.scene import Scene  # noqa: E402


def tests(scene):
    for kind in (failover, frames, operator, export, bad_input, processes, hosts, guests):
        for name, case in kind.TESTS:
            yield name, functools.partial(scene.run, case)


if __name__ == "__main__":
    SCENE = Scene()
    try:
        STATUS = tap.run(list(tests(SCENE)))
    finally:
        SCENE.close()
    sys.exit(STATUS)
