# SPDX-License-Identifier: GPL-2.0-or-later
"""What clients notice, in plain emulation: round trips under protection, the death of the primary host,
the replication link cut. Each repetition begins with both hosts restored to the same moment."""

import time

import guest
import probe
from client import LINE_EVERY_S, Liner, Pinger, Voices, run
from lablib.layout import CLIENT_IP, ECHO_PORT, LabError
from stats import percentile, spread

SETTLE_S, WINDOW_S = 2, 8
TAKEOVER_LIMIT_S = 30
CUT_WATCH_S, CUT_LATE_S = 30, 5
# The guest speaks by itself, so that it is heard wherever a copy of it runs.
SPEAK = f"setsid ping -i 0.2 {CLIENT_IP} >/dev/null 2>&1 &"
SNAPSHOT = "bench"
MS = 1000
TIMING = "measured"
# A host that was restored a moment ago may be slow to take its first connection.
PATIENCE = {"connect_timeout_ms": 60000}


def quantiles(trips, sent):
    """Of the trips begun in a window; lost: never answered in it."""
    times = [seconds * MS for _, seconds in trips]
    if not times:
        return None
    return {"p50": percentile(times, 50), "p99": percentile(times, 99), "max": max(times), "n": len(times),
            "unanswered": sent - len(times)}


def clients(lab, workload):
    """An echo service is asked as often as the workload says, otherwise as often as it needs to be measured."""
    every_s = 1 / workload.requests_per_s if workload.requests_per_s else LINE_EVERY_S
    return Pinger(lab), Liner(lab, every_s)


def round_trips(lab, workload, seconds):
    """Ping and numbered lines for so long, epochs seen meanwhile."""
    pinger, liner = clients(lab, workload)
    try:
        run([pinger, liner], SETTLE_S)
        pinger.trips.clear()
        pinger.sent.clear()
        liner.trips.clear()
        first, begun = liner.answered, time.monotonic()
        run([pinger, liner], seconds)
        pings = len(pinger.trips) + len(pinger.sent)
        lines = [trip for trip in liner.trips if trip[0] >= begun]
        return {"ping_ms": quantiles(pinger.trips, pings),
                "line_ms": quantiles(lines, len([when for when in liner.sent if when >= begun])),
                "lines_answered": liner.answered - first, "lines_wrong": liner.wrong}
    finally:
        pinger.close()
        liner.close()


def traced(lab, measure):
    """measure() and the primary's epochs meanwhile."""
    lab.run("A", probe.START)
    found = measure()
    epochs = probe.epochs(lab.run("A", probe.STOP)[1])
    if len(epochs) > 1:
        found |= {"epochs_per_s": (len(epochs) - 1) / (epochs[-1].resumed - epochs[0].resumed),
                  "pause_us": spread([e.pause_us() for e in epochs]),
                  "own_us": spread([e.own_us() for e in epochs])}
    return found


def death(lab, workload, limit_s=TAKEOVER_LIMIT_S):
    """SIGKILL of the primary's emulator, under ping and an open TCP connection."""
    pinger, liner = clients(lab, workload)
    try:
        run([pinger, liner], SETTLE_S)
        killed = time.monotonic()
        lab.kill("A")
        after = time.monotonic()

        def first(trips):
            """When a question was answered that was asked, and answered, after the death."""
            return min((when + trip for when, trip in trips if when > after), default=None)

        run([pinger, liner], limit_s, lambda now: first(pinger.trips) and (liner.broken or first(liner.trips)))
        return {"first_ping_s": since(killed, first(pinger.trips)), "first_line_s": since(killed, first(liner.trips)),
                "lines_wrong": liner.wrong, "connection": liner.broken or ("lived" if first(liner.trips) else "silent")}
    finally:
        pinger.close()
        liner.close()


def since(start, when):
    return None if when is None else when - start


def cut(lab):
    """The replication link alone is cut: who is heard in the guest's name from then on?"""
    voices = Voices(lab)
    try:
        run([voices], SETTLE_S)
        spoke = {host: len(times) for host, times in voices.heard.items()}
        lab.set_link("repl", False)
        start = time.monotonic()
        run([voices], CUT_WATCH_S)
        return {"frames_before": spoke} | heard_since(voices, start)
    finally:
        voices.close()


def heard_since(voices, start):
    after = {host: [when - start for when in times if when >= start] for host, times in voices.heard.items()}
    late = {host: sum(s > CUT_WATCH_S - CUT_LATE_S for s in times) for host, times in after.items()}
    each_s = {host: [sum(int(s) == second for s in times) for second in range(CUT_WATCH_S)]
              for host, times in after.items()}
    return {"watched_s": CUT_WATCH_S, "late_s": CUT_LATE_S, "frames_late": late,
            "voices": sum(count > 0 for count in late.values()), "frames_each_s": each_s,
            "seconds_of_two": sum(all(counts) for counts in zip(*each_s.values())),
            "last_frame_s": {host: max(times, default=None) for host, times in after.items()},
            "first_frame_s": {host: min(times, default=None) for host, times in after.items()}}


def prepare(lab):
    """The snapshot that every repetition starts from."""
    probe.install(lab, "A")
    lab.snapshot(SNAPSHOT, own=True)


def begin(lab, side, epoch_ms, workload):
    lab.restore(SNAPSHOT)
    guest.DIRTIER["rate"] = 0   # as it was when the snapshot was made
    if side:
        side.start(epoch_ms)
    guest.set_dirtier(lab, workload.pages_per_s)


def voices(lab, side, epoch_ms):
    lab.restore(SNAPSHOT)
    guest.connected(lab, ECHO_PORT).close()
    status, said = lab.run_guest(SPEAK)
    if status != 0:
        raise LabError(f"the guest does not speak: {said}")
    side.start(epoch_ms)
    return cut(lab)


def session(lab, side, epoch_ms, workload=guest.IDLE):
    """Round trips and then the death of the host, as one line."""
    begin(lab, side, epoch_ms, workload)
    found = traced(lab, lambda: round_trips(lab, workload, WINDOW_S))
    if side:
        found |= {"death": death(lab, workload)}
    return found
