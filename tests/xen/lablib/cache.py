# SPDX-License-Identifier: GPL-2.0-or-later
"""One laboratory at a time makes something in the cache; the others wait for it, with an end."""

import fcntl
import time
from contextlib import contextmanager

from lablib.layout import LabError, cache_dir

LIMIT_S = 1800     # packages over a slow network, images on a busy machine
POLL_S = 0.1


def take(lock, limit_s):
    deadline = time.monotonic() + limit_s
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise LabError(f"another laboratory has been at work in {cache_dir()} for {limit_s} s; "
                               f"see who holds {lock.name}") from None
        time.sleep(POLL_S)


@contextmanager
def held(limit_s=LIMIT_S):
    cache_dir().mkdir(parents=True, exist_ok=True)
    with open(cache_dir() / "lock", "w") as lock:
        take(lock, limit_s)
        yield
