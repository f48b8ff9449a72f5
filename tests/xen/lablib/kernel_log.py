# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest's kernel has logged: no trouble, and of the suspend driver no line more or less than its README says."""

import re

TROUBLE = ("WARNING:", "BUG:", "Call Trace", "blocked for more than", "rcu: INFO", "soft lockup")
# A report of the kernel's, and a word in those that the emulated CPU causes with or without the driver (README.md, AVX).
REPORT = re.compile(r"^.*-\[ cut here \]-.*\n(?:.*\n)*?.*-\[ end trace .*$", re.MULTILINE)
EMULATED = "Bad FPU state detected"
# The kernel itself says of a module that it is not one of its own.
DRIVERS = re.compile(r"\] remus_suspend: (?!.*\btaint)(.*)")
LOADED, RESTORED, UNLOADED = "version ", "restored; listening on ", "unloaded after "
# Once for each kind, as long as it is loaded: how the line begins, and the counter of such events.
COMPLAINTS = (("a request was not obeyed: its sender has closed the channel", "abandoned"),
              ("a suspend was given up: ", "late"))
COUNTERS = "cd /sys/module/remus_suspend/parameters && for name in restores abandoned late; do echo $name=$(cat $name); done"


def drivers_lines(log):
    """Of `dmesg`, without the time and the name."""
    return DRIVERS.findall(log)


def lives(lines):
    """What it said from when it was loaded until it was unloaded, or to the end, for each time."""
    starts = [number for number, line in enumerate(lines) if line.startswith(LOADED)]
    assert starts[:1] == [0], f"not begun by a line of its being loaded: {lines}"
    return [lines[start:end] for start, end in zip(starts, [*starts[1:], None])]


def count(life, start):
    return sum(line.startswith(start) for line in life)


def check_unloaded(life):
    """The last line has how often it was restored; of complaints nothing is known any more."""
    assert count(life, UNLOADED) == 1 and life[-1].startswith(UNLOADED), life
    restores = int(re.search(r" and ([0-9]+) restores", life[-1]).group(1))
    complaints = [count(life, start) for start, _ in COMPLAINTS]
    assert count(life, RESTORED) == restores and max(complaints) <= 1, life
    assert len(life) == 2 + restores + sum(complaints), f"more than it should say: {life}"


def check_loaded(life, counters, by_kernel):
    expected = {start: int(counters[name] > 0) for start, name in COMPLAINTS}
    expected[RESTORED] = counters["restores"] + by_kernel
    assert {start: count(life, start) for start in expected} == expected, (life, counters)
    assert len(life) == 1 + sum(expected.values()), f"more than it should say: {life}"


def check_no_trouble(log):
    """Since the driver was loaded: of the emulated CPU the kernel may warn while it boots."""
    since = log[log.index(f"remus_suspend: {LOADED}"):]
    known = REPORT.sub(lambda report: "" if EMULATED in report[0] else report[0], since)
    bad = [line for line in known.splitlines() if any(word in line for word in TROUBLE)]
    assert not bad, bad


def check(run, by_kernel=0):
    """run: runs a command in the guest. The driver has been loaded at least once. by_kernel: how often the guest was
    restored in its kernel's own way, which the driver does not count, since it was loaded last."""
    log = run("dmesg")
    *ended, last = lives(drivers_lines(log))
    check_no_trouble(log)
    if last[-1].startswith(UNLOADED):
        ended.append(last)
    else:
        words = run(COUNTERS).split()
        check_loaded(last, {name: int(value) for name, value in (word.split("=") for word in words)}, by_kernel)
    for life in ended:
        check_unloaded(life)
