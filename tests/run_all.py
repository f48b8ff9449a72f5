#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs every test, reads its TAP, and ends with one line: N passed, N failed, N skipped."""

import argparse
import concurrent.futures
import os
import re
import signal
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tap
from jobs import ROOT, find_jobs

SLOWEST_SHOWN = 10
# Process tests wait for timers and each other: six on two processors keep these busy for half of the time.
WAITERS_PER_WORKER = 3
LAB_UNAVAILABLE = 77  # exit status of tests/xen/lab
CANNOT_RUN = 77  # exit status of a unit test's program that has said why, and nothing else
LAB_MB = 4096  # two hosts, their emulators, and snapshots in the page cache
# Not: warnings, and complaints of a leak check that was itself killed.
SANITIZER_ERROR = re.compile(r"ERROR: \w+Sanitizer|runtime error:")


class Outcome:
    def __init__(self, job, results, output, seconds):
        self.job, self.results, self.output, self.seconds = job, results, output, seconds
        self.unsteady = []  # tests that failed in a first run


def test_environment(build, scratch, settings):
    env = dict(os.environ, **settings, REMUS_BUILD=str(build), TMPDIR=str(scratch), PYTHONDONTWRITEBYTECODE="1",
               CMOCKA_MESSAGE_OUTPUT="TAP", PYTHONPATH=str(ROOT / "tests"))
    # A report goes to a file, so that one from a daemon that a test started is not overlooked.
    reports = scratch / "sanitizer-report"
    env["ASAN_OPTIONS"] = f"log_path={reports}:" + env.get("ASAN_OPTIONS", "")
    env["UBSAN_OPTIONS"] = f"print_stacktrace=1:log_path={reports}:" + env.get("UBSAN_OPTIONS", "")
    return env


def end_group(process):
    """The test and whatever it left running."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run_process(job, env, limit_s, stdout, stderr):
    """Exit status, negative for a signal, None when the time limit ended it."""
    process = subprocess.Popen([str(a) for a in job.argv], cwd=ROOT, env=env, stdout=stdout,
                               stderr=stderr, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        end_group(process)
        process.wait()


def judge(job, status, text, noise, reports, limit_s):
    """`text`, `noise`: what it wrote to its standard output and error."""
    results = tap.parse(text)
    silent = not results.has_plan and not results.points()
    why = (text + noise).strip()
    if silent and job.kind == "fuzz" and status == 0:
        results.passed.append("replay")
        return results
    if silent and job.kind == "unit" and status == CANNOT_RUN and why and not reports:
        results.skipped.append(why.splitlines()[-1])
        return results
    if status is None:
        results.failed.append(("(time)", f"still running after {limit_s} s"))
    elif status < 0:
        results.failed.append(("(crash)", f"ended by {signal.Signals(-status).name}"))
    elif not results.has_plan or results.points() != results.planned:
        results.failed.append(("(plan)", f"{results.planned} tests planned, {results.points()} "
                               f"reported, exit status {status}"))
    elif status != 0 and not results.failed:
        results.failed.append(("(exit)", f"exit status {status} without a failed test"))
    if reports:
        results.failed.append(("(sanitizer)", "a sanitizer reported an error, see below"))
    return results


def run_job(job, build, factor, **settings):
    """`settings`: environment variables."""
    limit_s = job.limit_s * factor
    scratch = Path(tempfile.mkdtemp(prefix="remus-"))
    started = time.monotonic()
    try:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                status = run_process(job, test_environment(build, scratch, settings), limit_s, out, err)
            except OSError as error:
                status = 127
                err.write(f"cannot start: {error}\n".encode())
            out.seek(0)
            err.seek(0)
            text = out.read().decode(errors="replace")
            noise = err.read().decode(errors="replace")
        reports = [p.read_text(errors="replace") for p in scratch.glob("sanitizer-report*")]
        reports = "".join(text for text in reports if SANITIZER_ERROR.search(text))
        results = judge(job, status, text, noise, reports, limit_s)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Outcome(job, results, text + noise + reports, time.monotonic() - started)


def show(outcome):
    results = outcome.results
    state = "FAIL" if results.failed else "ok" if results.passed else "skip"
    skipped = f", {len(results.skipped)} skipped" if results.skipped else ""
    print(f"{state:4} {outcome.job.name:40} {len(results.passed)} passed, "
          f"{len(results.failed)} failed{skipped} ({outcome.seconds:.1f} s)", flush=True)
    if results.failed:
        for name, why in results.failed:
            print(f"     {outcome.job.name}: {name}: {why}")
        for line in outcome.output.splitlines():
            print(f"     | {line}")
        sys.stdout.flush()


def processor_s():
    """Seconds of all processors together since the machine started: at work, and in all."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return [seconds / os.sysconf("SC_CLK_TCK") for seconds in (sum(ticks) - ticks[3] - ticks[4], sum(ticks))]


def run_phase(name, jobs, build, factor, width, **settings):
    """`width` at a time; those that may take longest begin, so that none of them is alone at the end."""
    outcomes, started, before = [], time.monotonic(), processor_s()
    with concurrent.futures.ThreadPoolExecutor(width) as pool:
        futures = [pool.submit(run_job, job, build, factor, **settings)
                   for job in sorted(jobs, key=lambda job: -job.limit_s)]
        for future in concurrent.futures.as_completed(futures):
            outcomes.append(future.result())
            show(outcomes[-1])
    if jobs:
        at_work, in_all = (now - then for now, then in zip(processor_s(), before))
        print(f"{name}: {time.monotonic() - started:.1f} s, processors at work {100 * at_work / in_all:.0f} %",
              flush=True)
    return outcomes


def run_jobs(jobs, build, factor, workers, waiters, labs):
    """Light ones first, then process tests, which wait for most of their time, last what boots hosts."""
    light = [j for j in jobs if j.kind not in ("process", "xen")]
    process = [j for j in jobs if j.kind == "process"]
    xen = [j for j in jobs if j.kind == "xen"]
    with concurrent.futures.ThreadPoolExecutor(1) as aside:
        laboratory = aside.submit(make_laboratory) if xen else None
        outcomes = run_phase("light tests", light, build, factor, workers)
        outcomes += run_phase("process tests", [j for j in process if not j.alone], build, factor, workers * waiters)
        outcomes += run_phase("process tests, one at a time", [j for j in process if j.alone], build, factor, 1)
        outcomes += run_xen_jobs(xen, build, factor, labs, laboratory)
    return once_more(outcomes, build, factor)


def make_laboratory():
    """What the xen tests boot, made once, beside the other tests, before their time counts. If this machine cannot
    have it, they are told why and skip every case: the settings that do this. If it should have it, they fail."""
    made = subprocess.run(["nice", "-n", "19", sys.executable, ROOT / "tests/xen/lab", "build"], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)
    if made.returncode == LAB_UNAVAILABLE:
        return {"REMUS_NO_LAB": (made.stderr.strip().splitlines() or ["no laboratory"])[-1]}
    return {}


def room_for(labs):
    """No more laboratories than memory allows: one that finds none would fail its cases."""
    available = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return max(1, min(labs, int(available.group(1)) // 1024 // LAB_MB))


def run_xen_jobs(jobs, build, factor, labs, laboratory):
    """First those that run alone, which try the laboratory itself and leave booted hosts in the cache; then several
    laboratories at a time, since each has one processor idle for half of the time."""
    if not jobs:
        return []
    settings = laboratory.result()
    outcomes = run_phase("the laboratory itself", [j for j in jobs if j.alone], build, factor, 1, **settings)
    return outcomes + run_phase("on emulated hosts", [j for j in jobs if not j.alone], build, factor, room_for(labs),
                                **settings)


def may_be_noise(outcome):
    """Process tests run whole hosts on a shared machine, where another program's turn can break a premise. A
    sanitizer's report is never noise."""
    return outcome.job.kind in ("process", "xen") and outcome.results.failed and \
        not any(name == "(sanitizer)" for name, _ in outcome.results.failed)


def once_more(outcomes, build, factor):
    """A failed process test has a second run, alone. Passing then it counts as passed, and is named."""
    for index, first in enumerate(outcomes):
        if not may_be_noise(first):
            continue
        print(f"once more, alone: {first.job.name}")
        second = again(first, build, factor)
        show(second)
        second.unsteady = [name for name, _ in first.results.failed]
        outcomes[index] = second
    return outcomes


def again(first, build, factor):
    """A second run; of a xen test, which takes minutes, only the cases that failed."""
    names = [name for name, _ in first.results.failed]
    if first.job.kind != "xen" or any(name.startswith("(") for name in names):
        return run_job(first.job, build, factor)
    second = run_job(first.job, build, factor, REMUS_CASES="\n".join(names))
    second.results.passed += first.results.passed
    second.results.skipped += first.results.skipped
    return second


def summary(outcomes, unasked):
    for outcome in outcomes:
        for name in outcome.unsteady:
            print(f"UNSTEADY: {outcome.job.name}: {name} failed at first")
    print("\nslowest:")
    for outcome in sorted(outcomes, key=lambda o: -o.seconds)[:SLOWEST_SHOWN]:
        print(f"  {outcome.seconds:8.1f} s  {outcome.job.name}")
    took = [(seconds, o.job.name, name) for o in outcomes for seconds, name in o.results.took]
    if took:
        print("slowest cases:")
    for seconds, job, name in sorted(took, reverse=True)[:SLOWEST_SHOWN]:
        print(f"  {seconds:8.1f} s  {job}: {name}")
    skipped = [(o.job.name, n) for o in outcomes for n in o.results.skipped]
    for job, name in skipped:
        print(f"skipped: {job}: {name}")
    failed = [(o.job.name, n) for o in outcomes for n, _ in o.results.failed]
    for job, name in failed:
        print(f"FAILED: {job}: {name}")
    for job in unasked:
        print(f"not run, only on request (make check-xen): {job.name}")
    if unasked:
        print(f"{len(unasked)} test programs not run, only on request")
    passed = sum(len(o.results.passed) for o in outcomes)
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped", flush=True)
    return 1 if failed or passed == 0 else 0


def main():
    parser = argparse.ArgumentParser(description="Run the tests.")
    parser.add_argument("--build", default="build", help="directory with what make built")
    parser.add_argument("--only", metavar="PATTERN", help="regular expression on the tests' names")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--no-lint", action="store_true")
    parser.add_argument("--no-xen", action="store_true", help="without the tests on emulated Xen hosts")
    parser.add_argument("--on-request", action="store_true", help="also the tests that take many minutes")
    parser.add_argument("--workers", type=int, default=2, help="tests at a time (default 2)")
    parser.add_argument("--waiters", type=int, default=WAITERS_PER_WORKER,
                        help=f"process tests at a time for each of these (default {WAITERS_PER_WORKER})")
    parser.add_argument("--labs", type=int, default=2, help="laboratories of Xen hosts at a time (default 2)")
    parser.add_argument("--time-factor", type=float, default=1, help="multiplies every time limit")
    args = parser.parse_args()

    jobs = find_jobs(Path(args.build).resolve(), not args.no_lint, not args.no_xen)
    if args.only:
        jobs = [job for job in jobs if re.search(args.only, job.name)]
    if args.list:
        print("\n".join(job.name for job in jobs))
        return 0
    unasked = [] if args.on_request else [job for job in jobs if job.on_request]
    jobs = [job for job in jobs if job not in unasked]
    return summary(run_jobs(jobs, Path(args.build).resolve(), args.time_factor, args.workers, args.waiters, args.labs),
                   unasked)


if __name__ == "__main__":
    sys.exit(main())
