#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# on-request
# time-limit-s: 1800
"""A backup host whose CPU lacks a feature of the primary's: it is booted anew, which takes minutes on a busy machine."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

from cases import lesser_cpu  # noqa: E402
from lablib.scene import run_cases  # noqa: E402

if __name__ == "__main__":
    sys.exit(run_cases(lesser_cpu.TESTS))
