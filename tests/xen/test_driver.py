#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# on-request
# time-limit-s: 2400
"""The guest's suspend driver, asked by tools in dom0: under load, in other domains, and where tools misbehave."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

from cases import driver_load, driver_meddling, driver_moves, driver_transactions  # noqa: E402
from lablib.driver_scene import DriverScene  # noqa: E402

if __name__ == "__main__":
    sys.exit(DriverScene().run_cases(driver_load.TESTS + driver_moves.TESTS + driver_meddling.TESTS
                                     + driver_transactions.TESTS))
