#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws the results of `remus-bench xen --out FILE` as SVG: plot.py FILE... DIRECTORY"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import svg  # noqa: E402
from results import load  # noqa: E402
from table import STOCK, medians, of  # noqa: E402

SIDES = (("remus", "remus"), ("xl-remus", "xl remus"))
STOCK_KERNEL, DRIVER, BARE, XL_STOCK, XL_DRIVER = (
    ("stock kernel", {"side": "remus", "suspend": "cooperative"}), ("driver", {"side": "remus", "suspend": "driver"}),
    ("bare pause", {"side": "bare", "suspend": "driver"}), ("xl remus, stock", {"side": "xl-remus", "suspend": "cooperative"}),
    ("xl remus, driver", {"side": "xl-remus", "suspend": "driver"}))


def distinct(lines, name):
    return list(dict.fromkeys(line[name] for line in of(lines, "xen-costs")))


def quartiles(part, scale=1.0):
    return tuple(part[key] * scale for key in ("p25", "median", "p75"))


def cost_chart(lines, title, unit, axis, groups, series):
    """groups: name -> fields of their lines; a bar in each of them for (name, fields, figure of a line) of the series."""
    chart = svg.Bars(title, unit, list(groups), axis)
    for name, fields, figure in series:
        found = [next(iter(of(lines, "xen-costs", **group, **fields)), None) for group in groups.values()]
        chart.add(name, [figure(line) if line else None for line in found])
    return chart


def sides_chart(lines, title, unit, series):
    """The stock guest, for each workload and interval; series: (name, side, figure of a line)."""
    groups = {f"{w.replace('dirty ', '').replace(' MB/s', 'M')}/{ms}": {**STOCK, "workload": w, "epoch_ms": ms}
              for w in distinct(lines, "workload") for ms in distinct(lines, "epoch_ms")}
    return cost_chart(lines, title, unit, "workload (M: MB/s written) / epoch asked in ms", groups,
                      [(name, {"side": side}, figure) for name, side, figure in series])


def pause(lines):
    return sides_chart(lines, "Pause per epoch (deterministic emulation)", "milliseconds",
                       [("xl remus", "xl-remus", lambda line: quartiles(line["pause_us"], 1e-3)),
                        ("remus", "remus", lambda line: quartiles(line["pause_us"], 1e-3)),
                        ("remus, own part", "remus", lambda line: quartiles(line["own_us"], 1e-3))])


def octets(lines):
    def figure(line):
        return (line["bytes_per_epoch"] / 1024,) * 3
    return sides_chart(lines, "Octets per epoch on the replication link", "KiB",
                       [(title, side, figure) for side, title in reversed(SIDES)])


def rate(lines):
    def figure(line):
        return (line["epochs_per_s"],) * 3
    return sides_chart(lines, "Epochs per second (deterministic emulation)", "epochs/s",
                       [(title, side, figure) for side, title in reversed(SIDES)])


def ways_chart(lines, title, unit, figure, ways):
    """How an idle guest is stopped, for each number of CPUs and interval."""
    groups = {f"{vcpus}/{ms}": {"vcpus": vcpus, "workload": "idle", "epoch_ms": ms}
              for vcpus in sorted(distinct(lines, "vcpus")) for ms in sorted(distinct(lines, "epoch_ms"))}
    return cost_chart(lines, title, unit, "vCPUs / epoch asked in ms, idle guest", groups,
                      [(name, fields, figure) for name, fields in ways])


def whole(line):
    return quartiles(line["pause_us"], 1e-3)


def stops(lines):
    return ways_chart(lines, "Whole pause, by the way to stop (deterministic emulation)", "milliseconds", whole,
                      (STOCK_KERNEL, DRIVER, BARE))


def limit(lines):
    return ways_chart(lines, "Whole pause with the driver, and the least there is", "milliseconds", whole, (DRIVER, BARE))


def handshakes(lines):
    return ways_chart(lines, "Handshake, by the way to stop", "milliseconds",
                      lambda line: quartiles(line["wait_us"], 1e-3), (STOCK_KERNEL, DRIVER, XL_STOCK, XL_DRIVER))


def pages(lines):
    return ways_chart(lines, "Pages dirtied per epoch, by the way to stop", "pages", lambda line: (line["pages"],) * 3,
                      (STOCK_KERNEL, DRIVER, BARE, XL_STOCK, XL_DRIVER))


def made(lines):
    return ways_chart(lines, "Epochs per second, by the way to stop", "epochs/s", lambda line: (line["epochs_per_s"],) * 3,
                      (STOCK_KERNEL, DRIVER, XL_STOCK, XL_DRIVER))


def ends_chart(lines, title, unit, series):
    """Median, least and most of the repetitions, for each interval."""
    intervals = sorted({line["epoch_ms"] for line in of(lines, "xen-ends") if "epoch_ms" in line})
    chart = svg.Bars(title, unit, [f"{ms} ms" for ms in intervals], "epoch asked")
    for name, side, path in series:
        found = [medians(of(lines, "xen-ends", side=side, epoch_ms=ms, workload="idle"), *path) for ms in intervals]
        chart.add(name, [(low, middle, high) if values else None
                         for values in found for middle, low, high in [values or (0, 0, 0)]])
    return chart


def failover(lines):
    return ends_chart(lines, "SIGKILL of the primary host to the first ping (idle, plain emulation)", "seconds",
                      [(title, side, ("death", "first_ping_s")) for side, title in reversed(SIDES)])


def trips(lines):
    return ends_chart(lines, "Round trip of a TCP line (idle, plain emulation; xl remus does not hold output)",
                      "milliseconds",
                      [(f"{title} {p}", side, ("line_ms", p)) for side, title in reversed(SIDES)
                       for p in ("p50", "p99")])


CHARTS = {"xen-" + f.__name__: f for f in (pause, octets, rate, stops, limit, handshakes, pages, made, failover, trips)}


if __name__ == "__main__":
    svg.main(__doc__, load, CHARTS)
