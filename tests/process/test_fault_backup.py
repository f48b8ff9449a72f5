#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit-s: 600
"""Every fault point of backupd's child is struck, in every way that matters there."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fault_cases  # noqa: E402
import tap  # noqa: E402

if __name__ == "__main__":
    sys.exit(tap.run(fault_cases.tests("backup_")))
