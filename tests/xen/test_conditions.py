#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit-s: 1800
"""The same where something is out of the ordinary: exports, dying processes and hosts, other guests."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

from cases import export, guests, hosts, processes  # noqa: E402
from lablib.scene import run_cases  # noqa: E402

if __name__ == "__main__":
    sys.exit(run_cases(export.TESTS + processes.TESTS + hosts.TESTS + guests.TESTS))
