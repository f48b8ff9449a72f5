# SPDX-License-Identifier: GPL-2.0-or-later
"""Three kinds of chart, written as SVG by hand, and the command line of the scripts that draw them."""
import math
import sys
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 70, 60
COLOURS = ("#3b6ea5", "#d9822b", "#5a9e6f", "#a34f6d", "#7a7a7a")


def nice(top):
    """A round number that is not below `top`."""
    if top <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(top))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= top)


def number(value):
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


class Chart:
    def __init__(self, title, y_name, x_name):
        self.title, self.y_name, self.x_name = title, y_name, x_name
        self.series = []
        self.out = []

    def empty(self):
        return not any(value for _, values, _ in self.series for value in values)

    def add(self, name, values, marks=None):
        self.series.append((name, values, marks))

    def write(self, x, y, text, anchor="middle", size=12, extra=""):
        self.out.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
                        f'{extra}>{escape(text)}</text>')

    def line(self, x1, y1, x2, y2, colour="#888", width=1.0, extra=""):
        self.out.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                        f'stroke="{colour}" stroke-width="{width}" {extra}/>')

    def box(self, x, y, width, height, colour):
        self.out.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
                        f'fill="{colour}"/>')

    def y(self, value, top):
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    def frame(self, top):
        self.write(WIDTH / 2, 22, self.title, size=16)
        self.write((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, self.x_name)
        middle = (TOP + HEIGHT - BOTTOM) / 2
        self.write(18, middle, self.y_name, extra=f'transform="rotate(-90 18 {middle})"')
        for i in range(6):
            y = self.y(top * i / 5, top)
            self.line(LEFT, y, WIDTH - RIGHT, y, "#ddd")
            self.write(LEFT - 6, y + 4, number(top * i / 5), "end")
        step = min(150, (WIDTH - LEFT) // max(len(self.series), 1))
        for i, (name, _, _) in enumerate(self.series):
            self.box(LEFT + i * step, 38, 12, 12, COLOURS[i])
            self.write(LEFT + i * step + 18, 49, name, "start")

    def text(self):
        self.out = []
        self.draw()
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
                f'font-family="sans-serif" fill="#222">\n<rect width="100%" height="100%" '
                f'fill="white"/>\n' + "\n".join(self.out) + "\n</svg>\n")


class Groups(Chart):
    """One group of bars for each label on the x axis."""

    def __init__(self, title, y_name, labels, x_name):
        super().__init__(title, y_name, x_name)
        self.labels = labels

    def place(self, group):
        width = (WIDTH - LEFT - RIGHT) / len(self.labels)
        return LEFT + group * width + width * 0.12, width * 0.76

    def name_groups(self):
        for i, label in enumerate(self.labels):
            x, width = self.place(i)
            self.write(x + width / 2, HEIGHT - BOTTOM + 18, label)


class Bars(Groups):
    """Values are (low, middle, high) or None; marks are drawn as lines across their bar."""

    def draw(self):
        highs = [v[2] for _, values, _ in self.series for v in values if v]
        highs += [m for _, _, marks in self.series for m in marks or ()]
        top = nice(max(highs))
        self.frame(top)
        self.name_groups()
        for s, (_, values, marks) in enumerate(self.series):
            for g, value in enumerate(values):
                if value:
                    self.bar(s, g, value, marks[g] if marks else None, top)

    def bar(self, s, group, value, mark, top):
        x, width = self.place(group)
        width /= len(self.series)
        x += s * width
        low, middle, high = (self.y(v, top) for v in value)
        self.box(x, middle, width * 0.92, HEIGHT - BOTTOM - middle, COLOURS[s])
        self.line(x + width * 0.46, low, x + width * 0.46, high, "#222", 1.5)
        self.write(x + width * 0.46, high - 4, number(value[1]), size=10)
        if mark is not None:
            self.line(x - 2, self.y(mark, top), x + width * 0.92 + 2, self.y(mark, top), "#c00", 2)


class Stack(Groups):
    def draw(self):
        top = nice(max(sum(v[g] for _, v, _ in self.series) for g in range(len(self.labels))))
        self.frame(top)
        self.name_groups()
        for g in range(len(self.labels)):
            x, width = self.place(g)
            total = 0.0
            for s, (_, values, _) in enumerate(self.series):
                value = max(values[g], 0)
                high, low = self.y(total + value, top), self.y(total, top)
                self.box(x + width * 0.3, high, width * 0.4, low - high, COLOURS[s])
                total += value
            self.write(x + width / 2, self.y(total, top) - 5, number(total))


class Lines(Chart):
    """Values are (x, y); the x axis is logarithmic."""

    def draw(self):
        points = [p for _, values, _ in self.series for p in values]
        top = nice(max(y for _, y in points))
        low, high = min(x for x, _ in points), max(x for x, _ in points)
        self.frame(top)

        def place(x):
            share = math.log(x / low) / math.log(high / low) if high > low else 0.5
            return LEFT + 20 + share * (WIDTH - LEFT - RIGHT - 40)

        tick = low
        while tick <= high * 1.001:
            self.write(place(tick), HEIGHT - BOTTOM + 18, number(tick))
            tick *= 2
        for s, (_, values, _) in enumerate(self.series):
            path = " ".join(f"{place(x):.1f},{self.y(y, top):.1f}" for x, y in values)
            self.out.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[s]}" '
                            'stroke-width="2"/>')
            for x, y in values:
                self.out.append(f'<circle cx="{place(x):.1f}" cy="{self.y(y, top):.1f}" r="3.5" '
                                f'fill="{COLOURS[s]}"/>')


def main(doc, load, charts):
    """FILE... DIRECTORY: what `load` reads there goes to each of `charts` (name: function), and from there to NAME.svg."""
    if len(sys.argv) < 3:
        sys.exit(doc)
    *files, folder = map(Path, sys.argv[1:])
    results = [line for file in files for line in load(file)]
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in charts.items():
        chart = draw(results)
        if chart.empty():
            continue
        (folder / f"{name}.svg").write_text(chart.text(), encoding="utf-8")
        print(folder / f"{name}.svg")
