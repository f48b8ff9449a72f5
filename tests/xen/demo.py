#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows a Linux VM that outlives its host, on two emulated Xen hosts.

A TCP session to the VM is open and busy when the host's emulator gets SIGKILL. It goes on at the other host,
every byte of it checked. Exits non-zero if anything of that did not happen.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from demolib import plot, timeline  # noqa: E402
from demolib.screen import Screen  # noqa: E402
from demolib.session import SessionError  # noqa: E402
from demolib.story import Failure, Story  # noqa: E402
from lablib.laboratory import Laboratory  # noqa: E402
from lablib.layout import SOURCES, LabError  # noqa: E402
from lablib.protect import Protection, default_build  # noqa: E402

LIMIT_S, PROTECTED_S = 300, 10
EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", metavar="FILE.svg", help="plot of the round trips (default: demo.svg in "
                        "the build directory)")
    parser.add_argument("--json", action="store_true", help="the figures on standard output, the show on "
                        "standard error")
    parser.add_argument("--keep", action="store_true", help="leave the hosts running and say how to enter")
    parser.add_argument("--seconds", type=float, default=PROTECTED_S, metavar="S",
                        help=f"under protection before the kill (default {PROTECTED_S})")
    parser.add_argument("--limit", type=float, default=LIMIT_S, metavar="S",
                        help=f"fail when it takes longer, downloads included (default {LIMIT_S})")
    parser.add_argument("--began", type=float, default=time.time(), metavar="S",
                        help="when it began, in seconds since 1970: `make demo` installs and builds first")
    args = parser.parse_args()
    args.out = Path(args.out) if args.out else default_build() / "demo.svg"
    return args


class Place:
    """The directory of the demonstration's own laboratory."""

    def __init__(self):
        chosen = os.environ.get("REMUS_LAB_DIR")
        self.made = None if chosen else Path(tempfile.mkdtemp(prefix="remus-demo-"))
        os.environ["REMUS_LAB_DIR"] = str(chosen or self.made)

    def remove(self):
        if self.made:
            shutil.rmtree(self.made, ignore_errors=True)


def time_up(limit_s):
    raise Failure(f"not done within {limit_s:g} s; for a slow machine: make demo DEMO_ARGS='--limit 900'")


def on_end(*_):
    raise KeyboardInterrupt


def watch_time(limit_s, spent_s):
    if spent_s >= limit_s:
        time_up(limit_s)
    signal.signal(signal.SIGALRM, lambda *_: time_up(limit_s))
    signal.setitimer(signal.ITIMER_REAL, limit_s - spent_s)


def ignore_signals():
    """Clearing up is short, and is not to be left half done."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def perform(story, args):
    story.hosts(0 if args.keep else os.getpid())
    story.guest()
    story.engine()
    story.connect()
    story.protect()
    story.live(args.seconds)
    return story.verify(story.kill())


def figures(story, found, memory, started):
    checker = story.session.checker
    moments = dict(story.phases)
    medians = {
        "unprotected": timeline.median_ms(checker.trips, 0, moments["protect"]),
        "protected": timeline.median_ms(checker.trips, moments["protected"], found.killed),
        "afterwards": timeline.median_ms(checker.trips, moments["recovered"], time.monotonic())}
    return {"timeline": found.json(), "records_sent": len(checker.sent_at),
            "records_answered": len(checker.trips), "octets": checker.octets,
            "silence_ms": round(timeline.silence(found.killed, checker.arrivals) * 1000, 1),
            "round_trip_median_ms": {k: v and round(v, 1) for k, v in medians.items()},
            "memory": memory, "took_s": round(time.monotonic() - started, 1)}


def summary(screen, found, result):
    screen.title("Timeline, from the kill")
    for name, ms, precision in found.rows():
        screen.put(f"  {name:12} {ms:+8.0f} ms" + (f"  (±{precision:.0f})" if precision else ""))
    medians = result["round_trip_median_ms"]
    screen.title("The session")
    screen.put(f"  {result['records_answered']} records answered in {result['octets']} bytes: none lost, none repeated, "
               "none wrong; never reset")
    screen.put("  median round trip: " + ", ".join(f"{key} {value} ms" for key, value in medians.items()))
    screen.put(f"  longest silence: {result['silence_ms']:.0f} ms")
    screen.put(f"  the guest's own memory check: {result['memory']['pages']} pages, 0 errors")


def how_to_enter(screen, lab):
    command = f"REMUS_LAB_DIR={lab.directory} {SOURCES / 'lab'}"
    screen.title("The laboratory still runs")
    for words in ("console B", "run B xl list", "run B remusctl events", "run client busybox ping -c 3 10.77.0.20",
                  "up      # boots A again", "down    # ends it all"):
        screen.put(f"  {command} {words}")


def show(args, screen, lab, story):
    """The result, or None after a failure that has been told."""
    spent_s = time.time() - args.began
    started = time.monotonic() - spent_s
    try:
        watch_time(args.limit, spent_s)
        found, memory = perform(story, args)
        result = figures(story, found, memory, started)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        plot.draw(args.out, story.session.checker.trips, found, story.phases)
    except (Failure, LabError, SessionError, timeline.TimelineError, OSError) as error:
        ignore_signals()
        screen.bad(f"FAILED: {error}")
        for line in story.logs():
            screen.note(line)
        return None
    summary(screen, found, result)
    screen.put(f"  plot: {args.out}")
    screen.put(f"  all of it took {result['took_s']:.0f} s")
    screen.good("The VM outlived its host.")
    return result


def clear_up(args, screen, lab, story, place):
    ignore_signals()
    story.close()
    if args.keep and lab.is_up():
        how_to_enter(screen, lab)
    else:
        lab.down()
        place.remove()


def main():
    args = options()
    screen = Screen(sys.stderr if args.json else sys.stdout)
    place = Place()
    lab = Laboratory(screen.note)
    if lab.is_up():
        screen.bad(f"FAILED: a laboratory runs in {lab.directory} already; end it with: lab down")
        return EXIT_FAILED
    story = Story(screen, lab, Protection(lab))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_end)
    try:
        result = show(args, screen, lab, story)
    except KeyboardInterrupt:
        screen.bad("interrupted")
        return EXIT_INTERRUPTED
    finally:
        clear_up(args, screen, lab, story, place)
    if result and args.json:
        print(json.dumps(result))
    return 0 if result else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
