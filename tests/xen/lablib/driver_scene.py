# SPDX-License-Identifier: GPL-2.0-or-later
"""The laboratory with a guest that has the suspend driver, for tests: where a case may start."""

import functools
from pathlib import Path

from lablib import kernel_log, transfer
from lablib.driver_guest import DriverGuest
from lablib.fixture import Fixture
from lablib.laboratory import BOOTED
from lablib.layout import HOSTS
from lablib.machine import Mode
from lablib.protect import HOTPLUG


class DriverScene(Fixture):
    """Cases with such a guest, each from the same start."""

    def __init__(self, mode=Mode()):
        super().__init__(mode)
        self.last, self.used = None, False
        self.restored_by_kernel = 0  # how often, in this case

    def guest(self, **settings):
        """A guest at A, idle, its driver loaded."""
        self.end_guest()
        guest = self.last = DriverGuest(self.need(), Path(self.directory))
        name = "-".join(["guest", *(f"{key}{value}" for key, value in settings.items())])
        self.start_over(name, lambda: self.begin(guest, settings))
        return guest

    def boot(self, engine, files, **settings):
        """As guest(), for this case only, with the engine's programs on both hosts, and `files` in their /tmp."""
        self.end_guest()
        lab = self.need()
        self.empty_hosts()
        engine.install()
        for host in HOSTS:
            transfer.put(lab, host, files, "/tmp")
        guest = self.last = DriverGuest(lab, Path(self.directory))
        self.prepare(guest, {"script": HOTPLUG} | settings)
        return guest

    def empty_hosts(self):
        """Whatever an earlier case has left there."""
        if self.used:
            self.need().restore(BOOTED)
        self.used = True

    def begin(self, guest, settings):
        self.empty_hosts()
        self.prepare(guest, settings)

    @staticmethod
    def prepare(guest, settings):
        guest.install(*HOSTS)
        guest.start(**settings)

    def run(self, case):
        """One case, and a look at what its guest's kernel has logged."""
        self.restored_by_kernel = 0
        case(self)
        kernel_log.check(self.last.run, self.restored_by_kernel)

    def run_cases(self, cases):
        """The main program of a test: pairs of a name and a function of this. Returns the exit status."""
        return self.run_tests([(name, functools.partial(self.run, case)) for name, case in cases])

    def end_guest(self):
        if self.last:
            self.last.close()

    def close(self):
        self.end_guest()
        super().close()
