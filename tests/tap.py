# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading and writing the Test Anything Protocol, as the test programs here speak it."""

import os
import re
import sys
import time
import traceback

PLAN = re.compile(r"^1\.\.(\d+)\s*(#\s*skip\b.*)?$", re.IGNORECASE)
POINT = re.compile(r"^(not )?ok\b\s*\d*\s*(?:-\s*)?(.*)$")
TOOK = re.compile(r"^# took ([\d.]+) s: (.*)$")
SKIP = re.compile(r"#\s*skip\b:?\s*(.*)$", re.IGNORECASE)


class Results:
    """passed, skipped: names; failed: (name, why) pairs; took: (seconds, name) pairs, where a program says so."""

    def __init__(self):
        self.passed, self.failed, self.skipped, self.took = [], [], [], []
        self.planned, self.has_plan = 0, False

    def points(self):
        return len(self.passed) + len(self.failed) + len(self.skipped)


def parse(text):
    """Results of one program's standard output; several plans (test groups) add up."""
    results = Results()
    for line in text.splitlines():
        plan, point, took = PLAN.match(line), POINT.match(line), TOOK.match(line)
        if plan:
            results.has_plan = True
            results.planned += int(plan.group(1))
            if int(plan.group(1)) == 0 and plan.group(2):
                results.planned += 1
                results.skipped.append(SKIP.search(plan.group(2)).group(1) or "everything")
        elif point:
            add_point(results, point)
        elif took:
            results.took.append((float(took.group(1)), took.group(2)))
    return results


def add_point(results, point):
    skip = SKIP.search(point.group(2))
    name = SKIP.sub("", point.group(2)).strip() or (skip.group(1) if skip else "unnamed")
    if skip:
        results.skipped.append(name)
    elif point.group(1):
        results.failed.append((name, "not ok"))
    else:
        results.passed.append(name)


class SkipTest(Exception):
    """Raised by a test function that cannot run here; the text says why."""


def chosen(tests):
    """All, or those that REMUS_CASES names, one a line."""
    names = os.environ.get("REMUS_CASES")
    return [test for test in tests if not names or test[0] in names.splitlines()]


def run(tests):
    """Runs (name, function) pairs, prints TAP; the exit status is returned."""
    tests = chosen(tests)
    print(f"1..{len(tests)}", flush=True)
    failures = 0
    for number, (name, function) in enumerate(tests, 1):
        started = time.monotonic()
        try:
            function()
            print(f"ok {number} - {name}", flush=True)
        except SkipTest as why:
            print(f"ok {number} - {name} # SKIP {why}", flush=True)
        except Exception:  # a test that raises anything has failed; the others still run
            failures += 1
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {number} - {name}", flush=True)
        print(f"# took {time.monotonic() - started:.1f} s: {name}", flush=True)
    sys.stdout.flush()
    return 1 if failures else 0
