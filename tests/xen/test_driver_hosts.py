#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# on-request
# time-limit-s: 10800
"""The guest's suspend driver on Debian's other kernels, and with 2 and 4 vCPUs: moved by xl, and through a failover."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

from cases import driver_hosts  # noqa: E402
from lablib.driver_scene import DriverScene  # noqa: E402
from lablib.machine import Mode  # noqa: E402

if __name__ == "__main__":
    status = DriverScene().run_cases(driver_hosts.KERNELS)
    for cpus in driver_hosts.CPUS:
        status |= DriverScene(Mode(icount=True, cpus=cpus, paced=True)).run_cases(driver_hosts.of_cpus(cpus))
    sys.exit(status)
