#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit-s: 900
"""The guest's suspend driver in short; test_driver, test_suspend and test_driver_long have the whole of it."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

from cases import driver_check  # noqa: E402
from lablib.driver_scene import DriverScene  # noqa: E402
from lablib.scene import run_cases  # noqa: E402

if __name__ == "__main__":
    sys.exit(DriverScene().run_cases(driver_check.BY_TOOLS) | run_cases(driver_check.BY_THE_ENGINE))
