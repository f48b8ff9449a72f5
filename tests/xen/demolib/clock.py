# SPDX-License-Identifier: GPL-2.0-or-later
"""When, on our clock, did something happen on an emulated host? Its monotonic clock began elsewhere.

The host's shell reads /proc/uptime each time we ask. What it says lies between the moments of asking and of
hearing, and is cut off to hundredths of a second. Each answer therefore bounds the distance of the two
clocks from both sides, and many answers bound it more closely than any of them.
"""

import os
import queue
import threading
import time

from lablib.layout import LabError

GRAIN_S = 0.01          # of /proc/uptime
SAMPLES, SAMPLE_GAP_S = 12, 0.017
LATENESS_SAMPLES, LATENESS_GAP_S = 40, 0.05
ANSWER_LIMIT_S, TOTAL_LIMIT_S = 10, 600
LOOP = "while read -r x; do read -r up rest </proc/uptime; echo $up; done"


class Bounds:
    """Of the distance: our clock minus the host's, in seconds."""

    def __init__(self):
        self.low, self.high = float("-inf"), float("inf")

    def add(self, asked, heard, uptime):
        self.low = max(self.low, asked - uptime - GRAIN_S)
        self.high = min(self.high, heard - uptime)

    def join(self, other):
        """Of two moments, between which the host's clock may have gone a little faster or slower."""
        ends = (self.low, self.high, other.low, other.high)  # low above high: it drifted meanwhile
        both = Bounds()
        both.low, both.high = min(ends), max(ends)
        return both

    def ours(self, mono_ns):
        """(our time, precision to both sides), both in seconds."""
        middle = (self.low + self.high) / 2
        return mono_ns / 1e9 + middle, (self.high - self.low) / 2


class HostClock:
    """Asks one host, over a connection that stays open."""

    def __init__(self, lab, host):
        self.lab, self.host = lab, host
        self.answers, self.text = queue.Queue(), b""
        read_end, self.questions = os.pipe()
        self.input = os.fdopen(read_end, "rb", buffering=0)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            machine = self.lab.running(self.host)
            self.lab.command(machine, LOOP, self.input, self.heard, limit_s=TOTAL_LIMIT_S)
        except LabError as error:
            self.answers.put((time.monotonic(), error))

    def heard(self, data):
        now = time.monotonic()
        *lines, self.text = (self.text + data).split(b"\n")
        for line in lines:
            self.answers.put((now, float(line)))

    def ask(self):
        asked = time.monotonic()
        os.write(self.questions, b"\n")
        try:
            heard, uptime = self.answers.get(timeout=ANSWER_LIMIT_S)
        except queue.Empty:
            raise LabError(f"host {self.host} does not tell its time") from None
        if isinstance(uptime, LabError):
            raise uptime
        return asked, heard, uptime

    def bounds(self):
        found = Bounds()
        for _ in range(SAMPLES):
            found.add(*self.ask())
            time.sleep(SAMPLE_GAP_S)
        return found

    def close(self):
        os.close(self.questions)
        self.thread.join(ANSWER_LIMIT_S)
        self.input.close()


def lateness(lab, host):
    """The longest time that the host took for an answer in some seconds: how much it stands still."""
    clock, worst = HostClock(lab, host), 0.0
    try:
        for _ in range(LATENESS_SAMPLES):
            asked, heard, _ = clock.ask()
            worst = max(worst, heard - asked)
            time.sleep(LATENESS_GAP_S)
    finally:
        clock.close()
    return worst
