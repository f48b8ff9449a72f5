#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit-s: 1500
"""What cannot be protected between two emulated Xen hosts, and guests, with the driver, that change while they are."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

from cases import bad_input  # noqa: E402
from lablib.scene import run_cases  # noqa: E402

if __name__ == "__main__":
    sys.exit(run_cases(bad_input.TESTS, driver=1))
