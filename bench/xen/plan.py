# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured, in which order, and how far it has come."""

import os
import platform
import subprocess
import time

import costs
import ends
import guest
from lablib import transfer
from lablib.laboratory import Laboratory
from lablib.layout import SOURCES, LabError
from lablib.machine import Mode
from lablib.protect import Protection, default_build
from sides import Bare, Remus, XlRemus

LAST_LINES = 20
TRIES = 3   # of what is measured under one protection


class Progress:
    def __init__(self, total):
        self.total, self.done, self.failed = total, 0, 0
        self.started = time.monotonic()

    def say(self, text):
        spent = time.monotonic() - self.started
        left = f", {spent / self.done * (self.total - self.done):.0f} s to go" if self.done else ""
        print(f"[{self.done}/{self.total}, {spent:.0f} s{left}] {text}", flush=True)


def workloads(args):
    return [w for w in guest.WORKLOADS if w.name in args.workloads]


class Run:
    def __init__(self, args, results):
        self.args, self.results = args, results
        self.build = default_build()
        self.lab = Laboratory()
        self.progress = Progress(sum(count for _, count in self.parts()))

    def parts(self):
        """(what to do, how many lines it makes)"""
        kinds = len(self.args.suspend) * len(self.args.vcpus) * len(self.args.intervals)
        found = [(self.costs, 3 * kinds * len(workloads(self.args)))] if "costs" in self.args.parts else []
        return [(self.plain, len(self.plain_measures()))] + found   # what minds other work comes first

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
            text = side.said() + costs.console(side.lab) if side else ""
            return "\n".join(text.splitlines()[-LAST_LINES:])
        except LabError as error:
            return str(error)

    def up(self, icount, driver=False, vcpus=1):
        self.lab.down()
        self.lab.up(Mode(icount=icount, cpus=vcpus), owner=os.getpid())
        protection = Protection(self.lab, self.build)
        protection.install()
        helpers = {"A": ["helpers/xen/bare_pause"], "B": ["bench-xen/asker", "bench-xen/busy"]}
        for host, names in helpers.items():
            transfer.put(self.lab, host, [self.build / name for name in names], "/usr/sbin", with_libraries=True)
        guest.DIRTIER["rate"] = 0
        settings = guest.GUEST if icount else guest.PLAIN_GUEST
        protection.guest(**settings, vcpus=vcpus, driver=int(driver) or "")

    def missing(self, keys):
        return [key for key in keys if not self.results.has(**key)]

    # ---- costs ----

    def costs(self):
        for vcpus in self.args.vcpus:
            for suspend in self.args.suspend:
                self.costs_with({"suspend": suspend, "vcpus": vcpus})

    def costs_with(self, setting):
        """Of one kind of guest."""
        sides = [Remus(self.lab, self.build, costs.TIMING), XlRemus(self.lab), Bare(self.lab)]
        keys = {(ms, side): {w: {"bench": "xen-costs", "side": side.name, **setting, "epoch_ms": ms, "workload": w.name}
                             for w in workloads(self.args)}
                for ms in self.args.intervals for side in sides}
        if not self.missing(key for some in keys.values() for key in some.values()):
            self.progress.total -= sum(map(len, keys.values()))
            return
        self.up_for_costs(setting)
        for (epoch_ms, side), some in keys.items():
            self.costs_until_whole(setting, side, epoch_ms, some)

    def costs_until_whole(self, setting, side, epoch_ms, keys):
        """An emulated guest crashes now and then, whoever stops it: then all begins anew, and what is there stays."""
        for left in reversed(range(TRIES)):
            try:
                self.costs_of(side, epoch_ms, keys)
                return
            except (LabError, OSError) as error:
                print(f"  failed: {error}\n{self.said(side)}", flush=True)
                self.progress.failed += not left
                self.up_for_costs(setting)

    def up_for_costs(self, setting):
        driver = setting["suspend"] == "driver"
        self.up(True, driver, setting["vcpus"])
        costs.prepare(self.lab, driver)

    def costs_of(self, side, epoch_ms, keys):
        """All workloads under one protection."""
        if not self.missing(keys.values()):
            self.progress.total -= len(keys)
            return
        self.progress.say(f"{side.title} at {epoch_ms} ms begins")
        side.start(epoch_ms)
        for workload, key in keys.items():
            if not self.results.has(**key):
                self.progress.say(" ".join(str(value) for value in key.values()))
                self.results.add(key, side.measure(epoch_ms, workload))
                self.progress.done += 1
        side.stop()

    # ---- ends and voices ----

    def ours(self):
        return Remus(self.lab, self.build, ends.TIMING, **ends.PATIENCE)

    def plain(self):
        """What needs plain emulation, in one laboratory."""
        measures = self.plain_measures()
        if not self.missing(key for key, _, _ in measures):
            self.progress.total -= len(measures)
            return
        self.up(icount=False)
        ends.prepare(self.lab)
        for key, side, measure in measures:
            self.line(key, measure, side)

    def plain_measures(self):
        """(key, side, what to call), in this order."""
        found = []
        if "ends" in self.args.parts:
            found += [measure for number in range(self.args.repeat) for measure in self.repetition(number)]
        if "voices" in self.args.parts:
            found += self.once()
        return found

    def repetition(self, number):
        """Both sides in turn, and the guest without protection. The aims are the idle guest's: loads rest every other time."""
        for workload in workloads(self.args):
            if number % 2 and workload != guest.IDLE:
                continue
            key = {"bench": "xen-ends", "workload": workload.name, "repetition": number}
            yield key | {"side": "none"}, None, lambda w=workload: ends.session(self.lab, None, 0, w)
            for epoch_ms in self.args.intervals:
                for side in (self.ours(), XlRemus(self.lab)):
                    yield (key | {"side": side.name, "epoch_ms": epoch_ms}, side,
                           lambda s=side, ms=epoch_ms, w=workload: ends.session(self.lab, s, ms, w))

    def once(self):
        """Without the keepalive, and with the replication link cut."""
        unaware, last = XlRemus(self.lab, keepalive=False), self.args.intervals[-1]
        yield ({"bench": "xen-no-keepalive", "side": unaware.name}, unaware,
               lambda: ends.session(self.lab, unaware, last))
        for timeouts, side in (("", self.ours()), ("receiver", XlRemus(self.lab)),
                               ("both", XlRemus(self.lab, user_timeout=True))):
            yield ({"bench": "xen-voices", "side": side.name, "timeouts": timeouts}, side,
                   lambda s=side: ends.voices(self.lab, s, last))


def commit():
    """Of the engine and the harness, where they stand in a repository."""
    try:
        found = subprocess.run(["git", "-C", SOURCES, "describe", "--always", "--dirty"], capture_output=True, text=True, check=True)
        return found.stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "unknown"


def host_line():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "unknown")
    return {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": commit(), "cores": os.cpu_count(), "cpu": model,
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
