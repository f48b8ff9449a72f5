#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# on-request
# run-alone
# time-limit-s: 1500
"""The guest's suspend driver: many checkpoints of a guest that does everything at once and checks itself.

REMUS_DRIVER_CHECKPOINTS=N, 200 by default, for each number of CPUs; REMUS_DRIVER_CPUS=1 by default.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

from lablib.driver_guest import DISK, DriverGuest  # noqa: E402
from lablib.fixture import Fixture  # noqa: E402

COUNT = int(os.environ.get("REMUS_DRIVER_CHECKPOINTS", "200"))
CPUS = [int(n) for n in os.environ.get("REMUS_DRIVER_CPUS", "1").split(",")]
BUILD = os.environ.get("REMUS_BUILD", HERE.parent.parent / "build")
STEP = 500
FIXTURE = Fixture()


def survives(cpus):
    guest = DriverGuest(FIXTURE.need(), BUILD)
    guest.start(vcpus=cpus, disk=DISK)
    before = guest.counter("checkpoints")
    guest.load()
    guest.flood()
    for done in range(0, COUNT, STEP):
        for how in ("plain", "fast"):
            print(f"# {guest.suspender('run', min(STEP, COUNT - done) // 2, how)}", flush=True)
        print(f"# {guest.check()}", flush=True)
    print(f"# octets echoed: {guest.end_flood()}", flush=True)
    guest.unload()
    guest.check()
    assert guest.counter("checkpoints") - before >= COUNT // 2 * 2
    for name in ("rendezvous_max_ns", "wake_ns", "drain_ns", "rendezvous_ns", "late"):
        print(f"# {name}: {guest.counter(name)}")
    guest.must_run("A", f"xl destroy guest; rm {DISK}")


TESTS = [(f"{COUNT} checkpoints of a guest with {n} CPUs under load", lambda n=n: survives(n)) for n in CPUS]

if __name__ == "__main__":
    sys.exit(FIXTURE.run_tests(TESTS))
