# SPDX-License-Identifier: GPL-2.0-or-later
"""What remusd and its processes have logged: one line for each trouble, however many epochs it lasts."""

import re

LINE = re.compile(r"^remusd(\[[^]]*\])?: (error|warn|info): (.*)$", re.MULTILINE)


def lines(p):
    """VM or nothing, level, text of each."""
    return LINE.findall(p.log("remusd"))


def count(p, words, *levels):
    """Lines with these words; levels: of these only."""
    return sum(words in text and (not levels or level in levels) for _, level, text in lines(p))
