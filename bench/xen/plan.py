# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured, in which order, and how far it has come."""

import os
import platform
import time

import costs
import ends
import guest
from lablib import transfer
from lablib.laboratory import Laboratory
from lablib.layout import LabError
from lablib.machine import Mode
from lablib.protect import Protection, default_build
from sides import Remus, XlRemus

LAST_LINES = 20
QUICK_WORKLOADS = ("idle", "dirty 4 MB/s")


class Progress:
    def __init__(self, total):
        self.total, self.done, self.failed = total, 0, 0
        self.started = time.monotonic()

    def say(self, text):
        spent = time.monotonic() - self.started
        left = f", {spent / self.done * (self.total - self.done):.0f} s to go" if self.done else ""
        print(f"[{self.done}/{self.total}, {spent:.0f} s{left}] {text}", flush=True)


def workloads(args):
    return [w for w in guest.WORKLOADS if not args.quick or w.name in QUICK_WORKLOADS]


class Run:
    def __init__(self, args, results):
        self.args, self.results = args, results
        self.build = default_build()
        self.lab = Laboratory()
        self.progress = Progress(sum(count for _, count in self.parts()))

    def parts(self):
        """(what to do, how many lines it makes)"""
        intervals, repeat = len(self.args.intervals), self.args.repeat
        every = {"costs": (self.costs, 2 * intervals * len(workloads(self.args))),
                 "ends": (self.ends, repeat * (2 * intervals + 1) + 1),
                 "voices": (self.voices, 2)}
        return [every[name] for name in self.args.parts]

    def line(self, key, measure, side=None):
        """One measure: skipped if there already, and its failure does not end the others."""
        if self.results.has(**key):
            self.progress.total -= 1
            return
        self.progress.say(" ".join(str(value) for value in key.values()))
        try:
            self.results.add(key, measure())
        except (LabError, OSError) as error:
            self.progress.failed += 1
            print(f"  failed: {error}\n{self.said(side)}", flush=True)
        self.progress.done += 1

    @staticmethod
    def said(side):
        """Last words of what was measured."""
        try:
            return "\n".join(side.said().splitlines()[-LAST_LINES:]) if side else ""
        except LabError as error:
            return str(error)

    def up(self, icount):
        self.lab.down()
        self.lab.up(Mode(icount=icount), owner=os.getpid())
        protection = Protection(self.lab, self.build)
        protection.install()
        transfer.put(self.lab, "B", [self.build / "bench-xen" / name for name in ("asker", "busy")], "/usr/sbin", with_libraries=True)
        protection.guest(**guest.GUEST)

    def missing(self, keys):
        return [key for key in keys if not self.results.has(**key)]

    # ---- costs ----

    def cost_key(self, side, epoch_ms, workload):
        return {"bench": "xen-costs", "side": side.name, "epoch_ms": epoch_ms, "workload": workload.name}

    def costs(self):
        sides = [Remus(self.lab, self.build, costs.TIMING), XlRemus(self.lab)]
        if not self.missing(self.cost_key(side, ms, w) for side in sides for ms in self.args.intervals
                            for w in workloads(self.args)):
            return
        self.up(icount=True)
        costs.prepare(self.lab)
        for epoch_ms in self.args.intervals:
            for side in sides:
                self.costs_of(side, epoch_ms)

    def costs_of(self, side, epoch_ms):
        """All workloads under one protection."""
        keys = {w: self.cost_key(side, epoch_ms, w) for w in workloads(self.args)}
        if not self.missing(keys.values()):
            return
        self.progress.say(f"first copy, {side.title}")
        side.start(epoch_ms)
        for workload, key in keys.items():
            self.line(key, lambda w=workload: costs.measure(self.lab, side, epoch_ms, w), side)
        side.stop()

    # ---- ends ----

    def ends(self):
        sides = [Remus(self.lab, self.build, ends.TIMING), XlRemus(self.lab)]
        self.up(icount=False)
        ends.prepare(self.lab)
        for repetition in range(self.args.repeat):
            self.line({"bench": "xen-ends", "side": "none", "repetition": repetition},
                      lambda: ends.session(self.lab, None, 0))
            for epoch_ms in self.args.intervals:
                for side in sides:
                    self.line({"bench": "xen-ends", "side": side.name, "epoch_ms": epoch_ms, "repetition": repetition},
                              lambda s=side, ms=epoch_ms: ends.session(self.lab, s, ms), side)
        self.line({"bench": "xen-no-keepalive", "side": XlRemus.name},
                  lambda: ends.session(self.lab, XlRemus(self.lab, keepalive=False), self.args.intervals[-1]))

    def voices(self):
        sides = [Remus(self.lab, self.build, ends.TIMING), XlRemus(self.lab)]
        if not self.lab.is_up():
            self.up(icount=False)
            ends.prepare(self.lab)
        for side in sides:
            self.line({"bench": "xen-voices", "side": side.name},
                      lambda s=side: ends.voices(self.lab, s, self.args.intervals[-1]), side)


def host_line():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "unknown")
    return {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cores": os.cpu_count(), "cpu": model,
            "kernel": platform.release(), "load_before": os.getloadavg()[0]}


def run(args, results):
    """How many measures failed."""
    results.add({"bench": "xen-host"}, host_line())
    work = Run(args, results)
    try:
        for part, _ in work.parts():
            part()
    finally:
        work.lab.down()
    return work.progress.failed
