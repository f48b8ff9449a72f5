#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# on-request
# time-limit-s: 10800
"""The guest's suspend driver: ten thousand checkpoints, twenty restores of restores."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

from cases import driver_load, driver_moves  # noqa: E402
from lablib.driver_scene import DriverScene  # noqa: E402

if __name__ == "__main__":
    sys.exit(DriverScene().run_cases(driver_load.LONG_TESTS + driver_moves.LONG_TESTS))
