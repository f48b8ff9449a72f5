#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit-s: 2000
"""A Linux guest protected from one emulated Xen host to another: power cuts, frames, what an operator does."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

from cases import failover, frames, operator  # noqa: E402
from lablib.scene import run_cases  # noqa: E402

if __name__ == "__main__":
    sys.exit(run_cases(failover.TESTS + frames.TESTS + operator.TESTS))
