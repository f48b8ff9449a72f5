#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# on-request
# time-limit-s: 5000
"""By what a protected guest is stopped: its kernel, or the driver in it, which may come, go, fail, lie and be missing."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

from cases import (suspend, suspend_absent, suspend_deaths, suspend_late, suspend_left, suspend_slow,  # noqa: E402
                   suspend_storm)
from lablib.scene import run_cases  # noqa: E402

if __name__ == "__main__":
    sys.exit(run_cases(suspend.TESTS + suspend_absent.TESTS + suspend_deaths.TESTS + suspend_late.TESTS +
                       suspend_left.TESTS + suspend_slow.TESTS + suspend_storm.TESTS))
