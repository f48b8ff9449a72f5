# SPDX-License-Identifier: GPL-2.0-or-later
"""A transaction in xenstore that a program in the guest has open while the guest is suspended (guest/transaction.c)."""

import re

from lablib.fixture import until
from lablib.layout import TRANSACTION_PORT
from lablib.selfchecks import numbers

NODE = "data/transaction"
CHECKPOINTS = 20


def open_ones(guest):
    """How many of the guest's transactions xenstored keeps."""
    said = guest.must_run(guest.host, f"xenstore-control quota {guest.domid()}")
    return int(re.search(r"^transactions *: *([0-9]+)$", said, re.MULTILINE).group(1))


def await_open(guest, count):
    """The guest's kernel may have one of its own for a moment."""
    until(f"{count} transactions are open", lambda: open_ones(guest) == count)


def value(guest):
    """What the transactions that came about have written; 0: none did."""
    status, text = guest.lab.run(guest.host, f"xenstore-read /local/domain/{guest.domid()}/{NODE}")
    return int(text) if status == 0 else 0


def end_one(guest):
    """The program begins the next."""
    return numbers(guest.run(f"nc 127.0.0.1 {TRANSACTION_PORT}"))


def comes_about(guest):
    said = end_one(guest)
    assert said["committed"] == 1 and value(guest) == said["number"], (said, value(guest))
    await_open(guest, 1)


def with_checkpoints(guest):
    """Made while it is open; what it has written is nobody's until its end."""
    before = value(guest)
    for how in ("plain", "fast"):
        guest.suspender(CHECKPOINTS, how)
    await_open(guest, 1)
    assert value(guest) == before
    comes_about(guest)


def restored(guest):
    """The other domain has none open, and nothing of what was written: the end fails, and a second try comes about."""
    guest.save_and_restore()
    await_open(guest, 0)
    said = end_one(guest)
    assert said["again"] == 1 and value(guest) == 0, (said, value(guest))
    comes_about(guest)


def kept_open(scene):
    guest = scene.guest()
    guest.run(f"setsid transaction {NODE} >/dev/null 2>&1 &")
    await_open(guest, 1)
    with_checkpoints(guest)
    restored(guest)
    with_checkpoints(guest)
    guest.suspender(CHECKPOINTS)
    guest.run("killall transaction")
    await_open(guest, 0)


TESTS = [("a program's transaction in xenstore: good across checkpoints, to be tried again after a restore", kept_open)]
