#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of `remus-bench xen --out FILE`, as Markdown: table.py FILE..."""

import itertools
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from results import load  # noqa: E402

TITLES = {"remus": "remus", "xl-remus": "xl remus, no output buffering", "none": "unprotected"}
WAYS = {"remus": "remus, {}", "xl-remus": "xl remus, {}", "bare": "bare pause"}
STOCK = {"suspend": "cooperative", "vcpus": 1}
PARTS = ("pause_us", "handshake_us", "own_us", "fetch_us", "copy_us", "state_us", "resume_us")
BARE_PARTS = ("pause_us", "wait_us", "own_us", "log", None, "state", "resume")
# Of the driver's pause to a bare one, by the number of vCPUs.
PAUSE_AIMS = {1: 3, 2: 4}


def of(lines, bench, **fields):
    return [line for line in lines
            if line["bench"] == bench and all(line.get(key) == value for key, value in fields.items())]


def workloads(lines, bench):
    """In the order in which they were measured."""
    return list(dict.fromkeys(line["workload"] for line in of(lines, bench)))


def table(head, rows):
    width = len(head)
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * width]
                     + ["| " + " | ".join(row) + " |" for row in rows])


def ms(part, key="median"):
    return f"{part[key] / 1000:.2f}" if part else "-"


def kib(octets):
    return f"{octets / 1024:.0f}"


def doing(line):
    """How often the echo service was asked follows the other host's clock, and differs from row to row."""
    asked = line.get("asked_per_s")
    return f"{line['workload']}, {asked:.0f}/s" if asked else line["workload"]


def cost_rows(lines):
    for line in in_order(of(lines, "xen-costs", **STOCK)):
        if line["side"] == "bare":
            continue
        yield [doing(line), str(line["epoch_ms"]), TITLES[line["side"]], f"{line['epochs_per_s']:.1f}",
               f"{ms(line['pause_us'])} / {ms(line['pause_us'], 'p99')}", ms(line["wait_us"]), ms(line["own_us"]),
               f"{ms(line['gap_us'])} / {ms(line['gap_us'], 'max')}", f"{line['stolen'] * 100:.0f}",
               pages(line), kib(line["bytes_per_epoch"]), f"{line['dom0_cpu'] * 100:.0f}"]


def in_order(lines):
    """A bare pause before the ways to stop that are compared with it."""
    known = workloads(lines, "xen-costs")
    return sorted(lines, key=lambda l: (l["vcpus"], l["suspend"], l["epoch_ms"], known.index(l["workload"]), l["side"]))


def stop_rows(lines):
    """Every way of stopping, guests with and without the driver."""
    for line in in_order(of(lines, "xen-costs")):
        pause = line["pause_us"]
        yield [str(line["vcpus"]), doing(line), str(line["epoch_ms"]), WAYS[line["side"]].format(line["suspend"]),
               f"{ms(pause)} ({ms(pause, 'p25')}-{ms(pause, 'p75')})", ms(line["wait_us"]), ms(line["own_us"]), pages(line),
               f"{line['epochs_per_s']:.1f}" if "epochs_per_s" in line else "-"]


def stops(lines):
    return table(["vCPUs", "workload", "ms asked", "", "pause ms p50 (quartiles)", "handshake ms", "the rest ms", "pages",
                  "epochs/s"], stop_rows(lines))


def parts(lines):
    """Where the time goes, by the engine's own account, and of a bare pause, by its."""
    rows = []
    for line in in_order(of(lines, "xen-costs", workload="idle")):
        if line["side"] == "remus":
            found = [line["account"][key]["p50"] for key in PARTS]
            rows.append([str(line["vcpus"]), line["suspend"], str(line["epoch_ms"])] + [f"{us / 1000:.2f}" for us in found])
        elif line["side"] == "bare":
            found = {**line, **line["parts_us"]}
            rows.append([str(line["vcpus"]), "bare pause", str(line["epoch_ms"])]
                        + [ms(found[key]) if key else "-" for key in BARE_PARTS])
    return table(["vCPUs", "suspend", "ms asked", "pause ms", "handshake", "the rest", "dirty log", "copy", "CPU state", "resume"],
                 rows)


def driver_parts(lines):
    """Of the driver's handshake, what it counts itself."""
    rows = [[str(line["vcpus"]), line["side"], doing(line), str(line["epoch_ms"]), ms(line["wait_us"])]
            + [f"{line['driver_us'][part] / 1000:.3f}" for part in ("wake", "drain", "rendezvous")]
            for line in in_order(of(lines, "xen-costs", suspend="driver")) if line.get("driver_us")]
    return table(["vCPUs", "", "workload", "ms asked", "handshake ms", "interrupt to thread", "xenstore at rest",
                  "CPUs together"], rows)


def pages(line):
    return "-" if line["pages"] is None else f"{line['pages']:.0f}"


def costs(lines):
    return table(["workload", "ms asked", "", "epochs/s", "pause p50 / p99", "of it guest's suspend", "ours",
                  "gap in the guest p50 / max", "% of time taken", "pages", "KiB/epoch", "dom0 CPU %"],
                 cost_rows(lines))


def medians(lines, *path):
    """Median, least and most of a figure that may be missing in some repetitions."""
    values = []
    for line in lines:
        for key in path:
            line = line.get(key) if line else None
        if line is not None:
            values.append(line)
    return (statistics.median(values), min(values), max(values)) if values else None


def figure(found, digits=1):
    return f"{found[0]:.{digits}f} ({found[1]:.{digits}f}-{found[2]:.{digits}f})" if found else "never"


def answered(lines, what):
    """When a client was answered after the death; and how often, if it was not each time."""
    found = [line for line in lines if line["death"][what] is not None]
    some = f", {len(found)} of {len(lines)}" if 0 < len(found) < len(lines) else ""
    return figure(medians(found, "death", what)) + some


def sides(lines, bench):
    return sorted({(line.get("epoch_ms", 0), line["side"]) for line in of(lines, bench)})


def ends(lines):
    rows = []
    for workload, (epoch_ms, side) in itertools.product(workloads(lines, "xen-ends"), sides(lines, "xen-ends")):
        some = [line for line in of(lines, "xen-ends", side=side, workload=workload) if line.get("epoch_ms", 0) == epoch_ms]
        if not some:
            continue
        rows.append([workload, str(epoch_ms or "-"), TITLES[side], figure(medians(some, "epochs_per_s")) if epoch_ms else "-",
                     figure(medians(some, "ping_ms", "p50"), 0), figure(medians(some, "ping_ms", "p99"), 0),
                     figure(medians(some, "line_ms", "p50"), 0), figure(medians(some, "line_ms", "p99"), 0),
                     answered(some, "first_ping_s") if epoch_ms else "-",
                     answered(some, "first_line_s") if epoch_ms else "-",
                     str(len(some))])
    return table(["workload", "ms asked", "", "epochs/s", "ping p50 ms", "ping p99 ms", "TCP line p50 ms", "TCP line p99 ms",
                  "kill to first ping s", "kill to first line s", "n"], rows)


SET_BY_HAND = {"": "nothing", "receiver": "keepalive of the receiver", "both": "keepalive of the receiver, time-out of the sender"}


def voices(lines):
    def seconds(value):
        return "-" if value is None else f"{value:.1f}"
    return table(["", "set by hand", "last frame from A, s after the cut", "frames from B, first and last s", "seconds with both",
                  "hosts heard in the last 5 s"],
                 [[TITLES[line["side"]], SET_BY_HAND[line["timeouts"]], seconds(line["last_frame_s"]["A"]),
                   f"{seconds(line['first_frame_s']['B'])}, {seconds(line['last_frame_s']['B'])}",
                   f"{line['seconds_of_two']} of {line['watched_s']}", str(line["voices"])]
                  for line in of(lines, "xen-voices")])


def ratio(lines, figure_of, workload="idle"):
    """remus / xl remus for each interval."""
    found = {}
    for side in ("remus", "xl-remus"):
        for line in of(lines, "xen-costs", side=side, workload=workload, **STOCK):
            found[line["epoch_ms"], side] = figure_of(line)
    return {ms_asked: found[ms_asked, "remus"] / found[ms_asked, "xl-remus"]
            for ms_asked, side in found if side == "remus" and (ms_asked, "xl-remus") in found}


def verdict(name, aim, values, met):
    shown = ", ".join(f"{value:.3g} at {epoch_ms} ms" for epoch_ms, value in sorted(values.items()))
    if not values:
        return [name, aim, "not measured", ""]
    return [name, aim, shown, "met" if all(map(met, values.values())) else "**not met**"]


def aims(lines):
    own = {}
    for line in of(lines, "xen-costs", workload="idle", **STOCK):
        own[line["epoch_ms"], line["side"]] = line["own_us" if line["side"] == "remus" else "pause_us"]["median"]
    pauses = {m: own[m, "remus"] / own[m, "xl-remus"] for m, side in own if side == "remus" and (m, "xl-remus") in own}
    rows = [verdict("our part of the pause, against xl remus' pause, idle", "at most 0.1", pauses, lambda v: v <= 0.1),
            verdict("octets per idle epoch, against xl remus'", "below 0.5",
                    ratio(lines, lambda line: line["bytes_per_epoch"]), lambda v: v < 0.5)]
    rates = {}
    for epoch_ms, side in sides(lines, "xen-ends"):
        some = medians(of(lines, "xen-ends", side=side, epoch_ms=epoch_ms, workload="idle"), "epochs_per_s")
        if some and epoch_ms:
            rates[epoch_ms, side] = some[0]
    faster = {m: rates[m, "remus"] / rates[m, "xl-remus"] for m, side in rates
              if side == "remus" and (m, "xl-remus") in rates}
    rows.append(verdict("epochs/s against xl remus', plain emulation, idle", "at least 2", faster, lambda v: v >= 2))
    rows.append(rate_verdict(lines))
    pings = {m: found[0] for m in {line["epoch_ms"] for line in of(lines, "xen-ends", side="remus")}
             if (found := medians(of(lines, "xen-ends", side="remus", epoch_ms=m, workload="idle"), "death",
                                  "first_ping_s"))}
    rows.append(verdict("SIGKILL to the first ping, s, median, idle", "at most 2.5", pings, lambda v: v <= 2.5))
    rows += [driver_verdict(lines, vcpus, aim) for vcpus, aim in PAUSE_AIMS.items()] + [voices_verdict(lines)]
    return table(["what", "aim", "found", ""], rows)


def rate_verdict(lines):
    """No more epochs can be made than are asked for, however few the other makes. Whether all were is by the count of those
    missed since protection began: the rate over a window of 16 is as exact as its last epoch's end."""
    missed = {line["epoch_ms"]: line["account"]["missed_deadlines"]
              for line in of(lines, "xen-costs", side="remus", workload="idle", **STOCK)}
    found = ratio(lines, lambda line: line["epochs_per_s"])
    short = [m for m, value in found.items() if value < 2 and missed[m]]
    row = verdict("epochs/s against xl remus', deterministic, idle", "at least 2, or all that are asked for", found, lambda v: True)
    return row if not found else row[:3] + ["**not met**" if short else "met"]


def driver_verdict(lines, vcpus, aim):
    """The whole pause with the driver against the bare pause of the same guest, idle."""
    found = {}
    for line in of(lines, "xen-costs", suspend="driver", vcpus=vcpus, workload="idle"):
        found[line["epoch_ms"], line["side"]] = line["pause_us"]["median"]
    ratios = {m: found[m, "remus"] / found[m, "bare"] for m, side in found if side == "remus" and (m, "bare") in found}
    return verdict(f"whole pause with the driver, against a bare pause, {vcpus} vCPU, idle", f"at most {aim}", ratios,
                   lambda v: v <= aim)


def voices_verdict(lines):
    heard = [line["voices"] if line["seconds_of_two"] == 0 else 2 for line in of(lines, "xen-voices", side="remus")]
    row = ["hosts heard in the guest's name when the link is cut", "1"]
    if not heard:
        return [*row, "not measured", ""]
    return [*row, str(max(heard)), "met" if max(heard) == 1 else "**not met**"]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    lines = [line for file in sys.argv[1:] for line in load(file)]
    for title, make in (("Aims", aims), ("Costs", costs), ("Ways to stop", stops), ("Parts of our pause", parts),
                        ("Parts of the driver's handshake", driver_parts),
                        ("Ends", ends), ("Voices", voices)):
        print(f"### {title}\n\n{make(lines)}\n")


if __name__ == "__main__":
    main()
