#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit-s: 1500
"""The network of a guest that is protected between two emulated Xen hosts: the cases are in cases/network.py."""

import functools
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

import tap  # noqa: E402
from cases import network  # noqa: E402
from lablib.scene import Scene  # noqa: E402

if __name__ == "__main__":
    SCENE = Scene()
    try:
        STATUS = tap.run([(name, functools.partial(SCENE.run, case)) for name, case in network.TESTS])
    finally:
        SCENE.close()
    sys.exit(STATUS)
