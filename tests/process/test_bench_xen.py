#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What `remus-bench xen` makes of what it has seen: epochs of a trace, spreads, tables, charts. No Xen is needed."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BENCH = ROOT / "bench/xen"
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/xen"), str(BENCH)]

import probe  # noqa: E402
import tap  # noqa: E402
from results import Results, load  # noqa: E402
from stats import spread  # noqa: E402

HEAD = "    {who}-1 [000] DNZff  {at:.6f}: {event}: (0x7f0000000000) {rest}\n"
CALLS = [("xl", "ask", 'path="/local/domain/1/control/shutdown" value="suspend"', 0.0),
         ("save", "log", "op=11", 0.010), ("save", "context", "size=0", 0.080),
         ("save", "context", "size=5656", 0.081), ("xl", "resume", "plain=1", 0.082), ("xl", "resumed", "", 0.083)]
NOISE = [("xl", "ask", 'path="/libxl/1/x" value="suspend"', 0.001), ("save", "log", "op=12", 0.002)]


def trace(calls, start):
    return "".join(HEAD.format(who=who, event=event, rest=rest, at=start + at) for who, event, rest, at in calls)


def an_epoch_is_read_from_its_calls():
    found = probe.epochs(trace(sorted(CALLS + NOISE, key=lambda call: call[3]), 100.0))
    assert len(found) == 1, found
    assert round(found[0].pause_us()) == 83000 and round(found[0].wait_us()) == 10000, found
    assert round(found[0].own_us()) == 73000, found


def half_an_epoch_is_none():
    assert not probe.epochs(trace(CALLS[:-1], 1.0)), "one that is not resumed"
    assert not probe.epochs(trace(CALLS[1:], 1.0)), "one whose request was not seen"
    assert len(probe.epochs(trace(CALLS[3:], 1.0) + trace(CALLS, 2.0) + trace(CALLS[:2], 3.0))) == 1


def a_driver_is_asked_by_an_event():
    asked = [("remusd", "notify", "", 0.009)]
    found = probe.epochs(trace(asked + CALLS[1:], 1.0))
    assert len(found) == 1 and round(found[0].wait_us()) == 1000, found


def a_resume_may_be_a_plain_hypercall():
    """As remus makes it; xl's libxc makes the same within its own function, and others besides."""
    plain = [("remusd", "notify", "", 0.009), ("remusd", "log", "op=11", 0.010), ("remusd", "domctl", "cmd=59", 0.0101),
             ("remusd", "domctl_done", "", 0.0102), ("remusd", "domctl", "cmd=33", 0.011),
             ("remusd", "domctl_done", "", 0.0111), ("remusd", "domctl", "cmd=27", 0.012),
             ("remusd", "domctl_done", "", 0.0121)]
    within = [("xl", "domctl", "cmd=5", 0.0822), ("xl", "domctl_done", "", 0.0823), ("xl", "domctl", "cmd=27", 0.0824),
              ("xl", "domctl_done", "", 0.0825)]
    found = probe.epochs(trace(plain, 1.0) + trace(CALLS[:5] + within + CALLS[5:], 2.0))
    assert [round(epoch.pause_us()) for epoch in found] == [3100, 83000], found
    assert round((found[0].resuming - found[0].state) * 1e6) == 1000, found


def a_spread_is_by_nearest_rank():
    assert spread([]) is None
    found = spread([4, 1, 3, 2])
    assert (found["min"], found["p25"], found["median"], found["p99"], found["max"], found["n"]) == (1, 1, 2, 4, 4, 4)


def line(side, pause_us, missed=0):
    part = spread([pause_us])
    return {"bench": "xen-costs", "side": side, "suspend": "cooperative", "vcpus": 1, "epoch_ms": 100, "workload": "idle",
            "epochs_per_s": 5.0, "pause_us": part, "wait_us": part, "own_us": part, "gap_us": part, "stolen": 0.5,
            "pages": 500.0, "bytes_per_epoch": pause_us, "dom0_cpu": 0.25,
            "account": {key: {"p50": 1} for key in ("pause_us", "handshake_us", "own_us", "fetch_us", "copy_us", "state_us",
                                                    "resume_us")} | {"missed_deadlines": missed}}


def interrupted_results_go_on():
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "out"
        key = {"bench": "xen-voices", "side": "remus"}
        Results(path, True).add(key, {"voices": 1 / 3})
        with open(path, "a", encoding="utf-8") as out:
            out.write('{"bench": "xen-vo')
        again = Results(path, True)
        assert again.has(**key) and not again.has(**key | {"side": "xl-remus"})
        again.add(key | {"side": "xl-remus"}, {"voices": 2})
        assert load(path)[1]["voices"] == 2, path.read_text()
        assert load(path)[:1] == [{**key, "voices": 0.333333, "quick": True}], load(path)


def run(program, *arguments):
    done = subprocess.run([sys.executable, "-B", BENCH / program, *arguments], capture_output=True, text=True, check=False,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tables_and_charts_show_both_sides():
    with tempfile.TemporaryDirectory() as directory:
        ours, theirs = Path(directory) / "ours", Path(directory) / "theirs"
        ours.write_text(json.dumps(line("remus", 1500.0)))
        theirs.write_text(json.dumps(line("xl-remus", 10000.0)))
        text = run("table.py", ours, theirs)
        assert "| idle | 100 | remus | 5.0 | 1.50 / 1.50 |" in text and "no output buffering" in text, text
        assert "0.15 at 100 ms | **not met**" in text, text
        assert "all that are asked for | 1 at 100 ms | met |" in text, text
        ours.write_text(json.dumps(line("remus", 1500.0, missed=1)))
        assert "all that are asked for | 1 at 100 ms | **not met** |" in run("table.py", ours, theirs)
        assert "xen-pause.svg" in run("plot.py", ours, theirs, directory)
        assert "remus, own part" in (Path(directory) / "xen-pause.svg").read_text()


TESTS = [("an epoch is read from its calls", an_epoch_is_read_from_its_calls),
         ("half an epoch is none", half_an_epoch_is_none),
         ("a driver is asked by an event", a_driver_is_asked_by_an_event),
         ("a resume may be a plain hypercall", a_resume_may_be_a_plain_hypercall),
         ("a spread is by nearest rank", a_spread_is_by_nearest_rank),
         ("interrupted results go on", interrupted_results_go_on),
         ("tables and charts show both sides", tables_and_charts_show_both_sides)]

if __name__ == "__main__":
    sys.exit(tap.run(TESTS))
