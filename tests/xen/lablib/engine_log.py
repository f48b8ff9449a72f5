# SPDX-License-Identifier: GPL-2.0-or-later
"""What remusd and its processes have logged: one line for each trouble, however many epochs it lasts."""

import re

LINE = re.compile(r"^remusd(\[[^]]*\])?: (error|warn|info): (.*)$", re.MULTILINE)
OVER = re.compile(r"over after [0-9]+ ms: (.*)")
DEATH = "process ended unexpectedly"  # the daemon tells; the next process starts over


def lines(p):
    """VM or nothing, level, text of each."""
    return LINE.findall(p.log("remusd"))


def count(p, words, *levels):
    """Lines with these words; levels: of these only."""
    return sum(words in text and (not levels or level in levels) for _, level, text in lines(p))


def troubles(p):
    return [text for _, level, text in lines(p) if level != "info"]


def check(p):
    """No process says again what it has said, before it has said that it is over."""
    standing = set()
    for vm, level, text in lines(p):
        over = OVER.fullmatch(text)
        if DEATH in text:
            standing.clear()
        elif over:
            standing.discard(over[1])
        elif vm and level != "info":
            assert text not in standing, f"said twice: {text}"
            standing.add(text)
