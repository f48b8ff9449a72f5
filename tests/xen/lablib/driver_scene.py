# SPDX-License-Identifier: GPL-2.0-or-later
"""The laboratory with a guest that has the suspend driver, for tests: where a case may start."""

import functools
from contextlib import contextmanager
from pathlib import Path

from lablib import transfer
from lablib.driver_guest import DriverGuest
from lablib.fixture import Fixture
from lablib.laboratory import BOOTED
from lablib.layout import HOSTS
from lablib.machine import Mode
from lablib.protect import HOTPLUG

BUSY = "nice -n 19 sh -c 'while :; do :; done' >/dev/null 2>&1 & echo $!"


class DriverScene(Fixture):
    """Cases with such a guest, each from the same start."""

    def __init__(self, mode=Mode()):
        super().__init__(mode)
        self.last = None

    def guest(self, **settings):
        """A guest at A, idle, its driver loaded."""
        self.end_guest()
        guest = self.last = DriverGuest(self.need(), Path(self.directory))
        name = "-".join(["guest", *(f"{key}{value}" for key, value in settings.items())])
        self.start_over(name, lambda: self.prepare(guest, settings))
        return guest

    def boot(self, engine, files=(), **settings):
        """As guest(), with the engine's programs on both hosts, and for this case only: a guest of several CPUs
        leaves no instant for a snapshot. files: for A's /tmp."""
        self.end_guest()
        lab = self.need()
        if self.last:  # an earlier case left something there
            lab.restore(BOOTED)
        engine.install()
        if files:
            transfer.put(lab, "A", files, "/tmp")
        guest = self.last = DriverGuest(lab, Path(self.directory))
        self.prepare(guest, {"script": HOTPLUG} | settings)
        return guest

    @staticmethod
    def prepare(guest, settings):
        guest.install(*HOSTS)
        guest.start(**settings)

    @contextmanager
    def in_step(self, host):
        """Where instructions are counted the clock of an idle host runs far ahead of the others': it is kept busy."""
        pid = self.need().run(host, BUSY)[1].strip() if self.mode.icount else None
        yield
        if pid:
            self.lab.run(host, f"kill {pid}")

    def run_cases(self, cases):
        """The main program of a test: pairs of a name and a function of this. Returns the exit status."""
        return self.run_tests([(name, functools.partial(case, self)) for name, case in cases])

    def end_guest(self):
        if self.last:
            self.last.close()

    def close(self):
        self.end_guest()
        super().close()
