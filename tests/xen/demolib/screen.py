# SPDX-License-Identifier: GPL-2.0-or-later
"""What the demonstration says: steps, what follows from them, and one line that is refreshed in place."""

import os
import shutil
import time

PLAIN_EVERY_S = 5           # a line that lives, where it cannot be rewritten
BOLD, DIM, RED, GREEN, END = "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[0m"


class Screen:
    def __init__(self, out):
        self.out = out
        self.rewrites = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.colours = self.rewrites and "NO_COLOR" not in os.environ
        self.started = time.monotonic()
        self.shown_at = None    # of the line that lives; None: there is none
        self.count = 0

    def paint(self, colour, text):
        return f"{colour}{text}{END}" if self.colours else text

    def put(self, text):
        self.clear()
        print(text, file=self.out, flush=True)

    def clear(self):
        if self.rewrites and self.shown_at is not None:
            self.out.write("\r\033[K")
        self.shown_at = None

    def title(self, text):
        self.put(self.paint(BOLD, text))

    def step(self, text):
        """The next numbered one, with the seconds since the start."""
        self.count += 1
        clock = f"[{time.monotonic() - self.started:5.1f} s]"
        self.put(f"{self.paint(DIM, clock)} {self.paint(BOLD, f'{self.count}. {text}')}")

    def note(self, text=""):
        self.put(f"          {text}" if text else "")

    def good(self, text):
        self.put(self.paint(GREEN, text))

    def bad(self, text):
        self.put(self.paint(RED, text))

    def live(self, text):
        """In place on a terminal; elsewhere a line now and then."""
        now = time.monotonic()
        if self.rewrites:
            width = shutil.get_terminal_size().columns - 11
            self.out.write(f"\r\033[K          {text[:max(width, 20)]}")
            self.out.flush()
            self.shown_at = now
        elif self.shown_at is None or now - self.shown_at >= PLAIN_EVERY_S:
            print(f"          {text}", file=self.out, flush=True)
            self.shown_at = now
