#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit-s: 600
"""The table of fault points and that of expectations are the same; and the points that both daemons have in common
are struck. The others: test_fault_primary, test_fault_backup."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fault_cases  # noqa: E402
import tap  # noqa: E402

ELSEWHERE = ("primary_", "backup_")


def test_every_point_has_an_expectation():
    missing = fault_cases.without_expectation()
    assert not missing, "; ".join(f"no expectation for point {point}" for point in missing)


def test_every_expectation_has_a_point():
    gone = set(fault_cases.expectations()) - set(fault_cases.listed_points())
    assert not gone, f"no such points: {sorted(gone)}"


def test_both_daemons_list_the_same_points():
    assert fault_cases.listed_points("remusd") == fault_cases.listed_points("backupd")


if __name__ == "__main__":
    own = [(n[5:].replace("_", " "), f) for n, f in sorted(globals().items()) if n.startswith("test_")]
    rest = {p.split("_")[0] + "_" for p in fault_cases.listed_points() if not p.startswith(ELSEWHERE)}
    sys.exit(tap.run(own + fault_cases.tests(*sorted(rest))))
