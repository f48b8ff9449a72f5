# SPDX-License-Identifier: GPL-2.0-or-later
"""What there is to run. A process test says in a comment of its own what it needs:
  # run-alone            nothing else runs meanwhile
  # time-limit-s: N      instead of the default
  # on-request           takes many minutes: only with --on-request (make check-xen)
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = {"unit": 60, "fuzz": 120, "process": 300, "lint": 600, "xen": 1500}


class Job:
    def __init__(self, kind, name, argv, alone=False, limit_s=None, on_request=False):
        self.kind, self.name, self.argv, self.alone = kind, f"{kind}/{name}", argv, alone
        self.on_request = on_request
        self.limit_s = limit_s or LIMIT_S[kind]


def find_jobs(build, with_lint, with_xen):
    jobs = []
    for source in sorted((ROOT / "tests/unit").glob("test_*.c")):
        jobs.append(Job("unit", source.stem, [build / "tests" / source.stem]))
    for source in sorted((ROOT / "tests/fuzz").glob("fuzz_*.c")):
        name = source.stem.removeprefix("fuzz_")
        corpus = ROOT / "tests/fuzz/corpus" / name
        jobs.append(Job("fuzz", name, [build / "fuzz" / f"{source.stem}.replay", corpus]))
    if with_lint:
        for check in subprocess.check_output([ROOT / "tests/lint/lint.py", "--list"], text=True).split():
            jobs.append(Job("lint", check, [ROOT / "tests/lint/lint.py", check]))
    scripts = [("process", s) for s in sorted((ROOT / "tests/process").glob("test_*.py"))]
    if with_xen:
        scripts += [("xen", s) for s in sorted((ROOT / "tests/xen").glob("test_*.py"))]
    for kind, source in scripts:
        text = source.read_text()
        limit = re.search(r"^# time-limit-s: (\d+)$", text, re.MULTILINE)
        jobs.append(Job(kind, source.stem, [sys.executable, source],
                        alone=re.search(r"^# run-alone$", text, re.MULTILINE) is not None,
                        limit_s=int(limit.group(1)) if limit else None,
                        on_request=re.search(r"^# on-request$", text, re.MULTILINE) is not None))
    return jobs
