#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws the results of `remus-bench sim --out FILE` as SVG: plot.py FILE... DIRECTORY"""
import json

import svg


def load(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def of(results, bench, **fields):
    return [r for r in results
            if r["bench"] == bench and all(r[key] == value for key, value in fields.items())]


def spread(value, scale=1.0):
    """(low, middle, high): the quartiles of a spread, or a plain number thrice."""
    if isinstance(value, dict):
        return tuple(value[key] * scale for key in ("p25", "median", "p75"))
    return (value * scale,) * 3


def pause(results):
    rows = of(results, "pause")
    chart = svg.Bars("Pause per epoch against memcpy of the same pages", "microseconds",
                     [str(r["pages"]) for r in rows], "dirty pages per epoch")
    chart.add("bare memcpy", [spread(r["memcpy_us"]) for r in rows])
    chart.add("engine's pause", [spread(r["pause_us"]) for r in rows])
    return chart


def codec(results):
    rows = of(results, "codec")
    chart = svg.Bars("Page coding, one core", "GB/s of pages", [r["kind"] for r in rows],
                     "content of the pages")
    for key, name in (("encode", "encode"), ("lz4_encode", "plain LZ4"), ("decode", "decode"),
                      ("lz4_decode", "plain LZ4, decode")):
        chart.add(name, [(r[key]["min"], r[key]["median"], r[key]["max"]) if r[key] else None
                         for r in rows])
    return chart


def latency(results):
    rows = sorted(of(results, "latency"), key=lambda r: (r["hold"], -r["epoch_ms"]))
    chart = svg.Bars("Added latency of a request", "milliseconds",
                     [f"{r['hold']} {r['epoch_ms']} ms" for r in rows],
                     "where output is held, epoch asked for (lines: the aims)")
    chart.add("p50", [spread(r["added_p50_ms"]) for r in rows], [r["aim_p50_ms"] for r in rows])
    chart.add("p99", [spread(r["added_p99_ms"]) for r in rows], [r["aim_p99_ms"] for r in rows])
    return chart


def failover(results):
    rows = of(results, "failover")
    chart = svg.Stack("Failover, kill to first answer", "milliseconds", [r["hold"] for r in rows],
                      "where output is held")
    for key, name in (("wait_ms", "detector and lease"), ("activation_ms", "activation"),
                      ("answer_ms", "first answer")):
        chart.add(name, [r[key]["median"] for r in rows])
    return chart


def sweep(results):
    chart = svg.Lines("Epochs kept as the dirty rate grows (25 ms)", "epochs per second",
                      "MB of pages dirtied per second, as asked for")
    for content in dict.fromkeys(r["content"] for r in of(results, "sweep")):
        rows = sorted(of(results, "sweep", content=content),
                      key=lambda r: r["dirty_pages_per_s_asked"])
        chart.add(content, [(r["dirty_pages_per_s_asked"] * 4096 / 1e6,
                             r["epochs_per_s"]["median"]) for r in rows])
    return chart


def sync(results):
    rows = of(results, "sync")
    chart = svg.Bars("First full copy", "MB/s of memory",
                     [f"{r['vm_mb']} {r['content']}" for r in rows], "MiB of memory, content")
    chart.add("first copy", [spread(r["mb_per_s"]) for r in rows])
    chart.add("TCP on loopback", [spread(r["loopback_mb_per_s"]) for r in rows])
    return chart


CHARTS = {f.__name__: f for f in (pause, codec, latency, failover, sweep, sync)}


if __name__ == "__main__":
    svg.main(__doc__, load, CHARTS)
