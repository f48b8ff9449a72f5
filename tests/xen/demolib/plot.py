# SPDX-License-Identifier: GPL-2.0-or-later
"""The client's round trips across the failover, as SVG. Both axes' scales keep every part legible: time runs
evenly, round trips are logarithmic, for they go from milliseconds to seconds."""

import math
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "bench"))

import svg  # noqa: E402

COLOUR = {"trip": svg.COLOURS[0], "phase": "#777", "killed": "#c00", "detected": svg.COLOURS[1],
          "activated": svg.COLOURS[2], "first byte": svg.COLOURS[3]}
EDGE = 1.25             # room above and below the outermost round trip
TICKS = 8
MARK_Y, MARK_STEP = 38, 165


def decades(low, high):
    """Powers of ten within."""
    return [10.0 ** n for n in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]


def seconds(ms):
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:g} ms"


def step_for(span):
    """A round number of seconds between ticks."""
    return svg.nice(span / TICKS)


class RoundTrips(svg.Chart):
    """trips: (seconds since the kill, ms); moments: (name, seconds since the kill)."""

    def __init__(self, title, trips, moments, phases):
        super().__init__(title, "round trip (log scale)", "seconds since host A was killed")
        self.trips, self.moments, self.phases = trips, moments, phases
        self.first = min(x for x, _ in trips)
        self.last = max(max(x for x, _ in trips), max(x for _, x in moments))
        self.low = min(ms for _, ms in trips) / EDGE
        self.high = max(ms for _, ms in trips) * EDGE

    def place_x(self, at):
        share = (at - self.first) / (self.last - self.first)
        return svg.LEFT + share * (svg.WIDTH - svg.LEFT - svg.RIGHT)

    def place_y(self, ms):
        share = math.log(ms / self.low) / math.log(self.high / self.low)
        return svg.HEIGHT - svg.BOTTOM - share * (svg.HEIGHT - svg.TOP - svg.BOTTOM)

    def axes(self):
        self.write(svg.WIDTH / 2, 22, self.title, size=16)
        self.write((svg.LEFT + svg.WIDTH - svg.RIGHT) / 2, svg.HEIGHT - 14, self.x_name)
        middle = (svg.TOP + svg.HEIGHT - svg.BOTTOM) / 2
        self.write(14, middle, self.y_name, extra=f'transform="rotate(-90 14 {middle})"')
        for ms in decades(self.low, self.high):
            self.line(svg.LEFT, self.place_y(ms), svg.WIDTH - svg.RIGHT, self.place_y(ms), "#ddd")
            self.write(svg.LEFT - 6, self.place_y(ms) + 4, seconds(ms), "end")
        step = step_for(self.last - self.first)
        for n in range(math.ceil(self.first / step), math.floor(self.last / step) + 1):
            self.write(self.place_x(n * step), svg.HEIGHT - svg.BOTTOM + 18, svg.number(n * step))

    def upright(self, at, colour, extra=""):
        x = self.place_x(at)
        self.line(x, svg.TOP, x, svg.HEIGHT - svg.BOTTOM, colour, 1.2, extra)

    def marks(self):
        for name, at in self.phases:
            self.upright(at, COLOUR["phase"], 'stroke-dasharray="4 3"')
            self.write(self.place_x(at) + 4, svg.TOP + 12, name, "start", 10)
        for number, (name, at) in enumerate(self.moments):
            self.upright(at, COLOUR[name])
            x = svg.LEFT + number * MARK_STEP
            self.box(x, MARK_Y, 12, 12, COLOUR[name])
            self.write(x + 18, MARK_Y + 11, f"{name} {at * 1000:+.0f} ms", "start")

    def draw(self):
        self.axes()
        self.marks()
        dots = "".join(f"M{self.place_x(x):.1f} {self.place_y(ms):.1f}h0" for x, ms in self.trips)
        self.out.append(f'<path d="{dots}" fill="none" stroke="{COLOUR["trip"]}" stroke-width="3" '
                        'stroke-linecap="round"/>')


def draw(path, trips, timeline, phases):
    """trips: (sent, seconds) on our clock; phases: (name, our clock) before the kill."""
    killed = timeline.killed
    chart = RoundTrips("Round trips of one TCP session while its VM's host dies",
                       [(sent - killed, trip * 1000) for sent, trip in trips],
                       [(name, ms / 1000) for name, ms, _ in timeline.rows()],
                       [(name, at - killed) for name, at in phases])
    Path(path).write_text(chart.text(), encoding="utf-8")
