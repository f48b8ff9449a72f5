# SPDX-License-Identifier: GPL-2.0-or-later
"""The laboratory of one test program: up when a test first needs it, gone at the end; or the reason why not."""

import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import tap
from lablib import images
from lablib.laboratory import Laboratory, check_memory
from lablib.layout import LabError, Unavailable
from lablib.machine import Mode
from lablib.waiting import poll

PATIENCE_S = 240
POLL_S = 0.2
TOOLS = ("ip", "unshare", "dpkg-deb")


def until(what, check, patience_s=PATIENCE_S):
    """Polls until `check()` is true, and returns its value."""
    value = poll(check, patience_s, POLL_S)
    assert value, f"not within {patience_s} s: {what}"
    return value


def at_random(within_s, what):
    """Returns at a random moment, which the log tells: what fails then can be looked into."""
    moment = random.uniform(0, within_s)
    print(f"# {what} {moment:.3f} s later", flush=True)
    time.sleep(moment)


def obstacle():
    """Why there can be no laboratory on this machine; None: nothing is in the way. Raises when one that should be
    possible cannot be made."""
    if os.environ.get("REMUS_NO_LAB"):
        return os.environ["REMUS_NO_LAB"]
    if os.uname().machine != "x86_64":
        return "not an x86-64 machine"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "no right to use /dev/net/tun"
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    kinds = ["--net"] if os.geteuid() == 0 else ["--user", "--net"]
    if subprocess.run(["unshare", *kinds, "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        return "no right to make a network namespace"
    try:
        check_memory(Mode())
        images.ensure()
    except Unavailable as error:
        return str(error)
    return None


class Fixture:
    def __init__(self, mode=Mode()):
        self.mode, self.lab, self.reason, self.broken = mode, None, None, False
        self.directory = Path(tempfile.mkdtemp(prefix="lab-"))
        os.environ["REMUS_LAB_DIR"] = str(self.directory)

    def need(self):
        """The running laboratory. Raises tap.SkipTest with the reason where there can be none."""
        if self.broken:
            raise LabError("the laboratory did not come up for the first case")
        if self.lab is None and self.reason is None:
            self.broken = True
            self.reason = obstacle()
            if self.reason is None:
                lab = Laboratory()
                lab.up(self.mode, owner=os.getpid())
                self.lab = lab
            self.broken = False
        if self.lab is None:
            raise tap.SkipTest(self.reason)
        return self.lab

    def start_over(self, name, make):
        """The state `name` of both hosts, which make() has made when it is first asked for. True: just now."""
        lab = self.need()
        new = not (self.directory / "snapshots" / name).exists()
        if new:
            make()
            lab.snapshot(name, own=True)
        else:
            lab.restore(name)
        self.forget_where_the_guest_was()
        return new

    def forget_where_the_guest_was(self):
        """The outer machine's bridge and neighbour table are not part of a snapshot."""
        for command in (["ip", "neigh", "flush", "dev", "br-front"],
                        ["ip", "link", "set", "br-front", "type", "bridge", "fdb_flush"]):
            assert self.lab.client(command).wait(PATIENCE_S) == 0, command

    def run_tests(self, tests):
        """The main program of a test: tap.run(), and the end of the laboratory whatever happens."""
        try:
            return tap.run(tests)
        finally:
            self.close()

    def close(self):
        if self.lab:
            self.lab.down()
        shutil.rmtree(self.directory, ignore_errors=True)
