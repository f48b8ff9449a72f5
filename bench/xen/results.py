# SPDX-License-Identifier: GPL-2.0-or-later
"""Results as lines of JSON, written as they come. A line's key is what it measured, without the figures."""

import json
from pathlib import Path

from stats import rounded

KEY = ("bench", "side", "suspend", "vcpus", "epoch_ms", "workload", "repetition", "timeouts")


def key_of(line):
    return tuple(line.get(name) for name in KEY)


class Results:
    def __init__(self, path, quick):
        self.path, self.quick = Path(path) if path else None, quick
        self.lines = load(self.path) if self.path and self.path.exists() else []

    def has(self, **key):
        return any(key_of(line) == key_of(key) for line in self.lines)

    def add(self, key, figures):
        line = rounded({**key, **figures, "quick": self.quick})
        self.lines.append(line)
        if self.path:
            with open(self.path, "a", encoding="utf-8") as out:
                print(self.end_of_rest() + json.dumps(line, separators=(",", ":")), file=out)

    def end_of_rest(self):
        """What an interrupted run left may be half a line."""
        text = self.path.read_text(encoding="utf-8")
        return "" if not text or text.endswith("\n") else "\n"


def load(path):
    """Without lines that are not whole."""
    lines = []
    for text in Path(path).read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines
