# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for something to come true on an emulated host."""

import time

RESTS, LONGEST_S = 2, 1


def poll(check, limit_s, step_s):
    """What `check()` returns once that is true; None: not within the time.

    A look at a host, a command run there, takes up to half a second of the one processor that what is waited for needs
    as well: it is left alone for longer than the look took, but not so long that a lease of some seconds is over."""
    deadline = time.monotonic() + limit_s
    while True:
        started = time.monotonic()
        if value := check():
            return value
        ended = time.monotonic()
        if ended > deadline:
            return None
        time.sleep(max(step_s, min(LONGEST_S, RESTS * (ended - started))))
