#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# on-request
# run-alone
# time-limit-s: 1500
"""The guest's suspend driver: restored again and again, on one host and on the other, with more checkpoints
after each.

REMUS_DRIVER_RESTORES=N, 2 by default; REMUS_DRIVER_CHECKPOINTS=N after each, 40 by default; REMUS_DRIVER_CPUS=N,
1 by default.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

from lablib.driver_guest import DISK, DriverGuest  # noqa: E402
from lablib.fixture import Fixture  # noqa: E402
from lablib.layout import CLOCKS_PORT  # noqa: E402

RESTORES = int(os.environ.get("REMUS_DRIVER_RESTORES", "2"))
CPUS = int(os.environ.get("REMUS_DRIVER_CPUS", "1"))
COUNT = int(os.environ.get("REMUS_DRIVER_CHECKPOINTS", "40"))
BUILD = os.environ.get("REMUS_BUILD", HERE.parent.parent / "build")
SLACK_MS = 60000
FIXTURE = Fixture()


def restored_on_one_host():
    """As many queues of each device as CPUs, which the backends allow; requests to the disk all the time."""
    guest = DriverGuest(FIXTURE.need(), BUILD)
    guest.must_run("A", "echo 4 >/sys/module/xen_netback/parameters/max_queues; "
                        "echo 4 >/sys/module/xen_blkback/parameters/max_queues")
    guest.start(vcpus=CPUS, disk=DISK)
    queues = guest.run("ls -d /sys/class/net/eth0/queues/rx-* /sys/block/xvda/mq/* | wc -l")
    assert int(queues) == 2 * CPUS, f"{queues} queues of disk and interface"
    guest.load()
    for number in range(1, RESTORES + 1):
        guest.flood()
        guest.save_and_restore()
        print(f"# {number}: {guest.suspender('run', COUNT)}", flush=True)
        print(f"# octets echoed: {guest.end_flood()}; {guest.check()}", flush=True)
        assert guest.counter("restores") == number
    guest.unload()
    guest.check()
    guest.must_run("A", f"xl destroy guest; rm {DISK}")


def clock_differences(guest):
    """How far the guest's clocks are from dom0's that it is on; milliseconds."""
    clocks = guest.ask(CLOCKS_PORT)
    uptime = float(guest.must_run(guest.host, "cat /proc/uptime").split()[0]) * 1000
    return clocks, uptime


def migrated_between_hosts():
    """B starts anew: its Xen has been up for less time than the guest has seen pass."""
    guest = DriverGuest(FIXTURE.need(), BUILD)
    guest.start(driver="")
    guest.run("modprobe remus_suspend")
    guest.load()
    lab = FIXTURE.need()
    lab.kill("B")
    lab.up()
    guest.__class__(lab, BUILD)
    for _ in range(2):
        before, _uptime = clock_differences(guest)
        guest.flood()
        guest.migrate()
        print(f"# at {guest.host}: {guest.suspender('run', COUNT)}", flush=True)
        print(f"# octets echoed: {guest.end_flood()}; {guest.check()}", flush=True)
        after, uptime = clock_differences(guest)
        print(f"# this host has been up for {uptime:.0f} ms", flush=True)
        for clock in ("monotonic_ms", "boottime_ms", "realtime_ms"):
            assert after[clock] >= before[clock], (clock, before, after)
    guest.unload()
    guest.must_run(guest.host, "xl destroy guest")


TESTS = [(f"{RESTORES} times saved and restored under load, {COUNT} checkpoints after each",
          restored_on_one_host),
         ("migrated by xl to a host that was started later, and back", migrated_between_hosts)]

if __name__ == "__main__":
    sys.exit(FIXTURE.run_tests(TESTS))
