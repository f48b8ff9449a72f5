#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# on-request
# time-limit-s: 3000
"""What goes wrong less often between two emulated Xen hosts: the guest's own end, another tool at its dirty log, a
backup that cannot resume it, processes and hosts that die at a rarer moment."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

from cases import bad_input, export, failover, frames, guests, hosts, network, operator, processes  # noqa: E402
from lablib.scene import run_cases  # noqa: E402

KINDS = (operator, processes, hosts, network, failover, frames, export, bad_input, guests)

if __name__ == "__main__":
    sys.exit(run_cases([case for kind in KINDS for case in kind.MISHAPS]))
