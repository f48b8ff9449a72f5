# SPDX-License-Identifier: GPL-2.0-or-later
"""keeper.py PIDFILE OWNER: keeps the laboratory's network namespace; started by network.Namespace.

When the process OWNER ends (0: never), it ends the hosts and then itself: a test that is killed
leaves no emulator behind.
"""

import os
import select
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lablib import network, procs  # noqa: E402
from lablib.layout import HOSTS, LabError  # noqa: E402


def prepare():
    try:
        network.make_links()
    except (LabError, OSError) as error:
        print(error, flush=True)
        sys.exit(1)


def watch(owner):
    """Returns at the owner's end."""
    poll = select.poll()
    if owner:
        try:
            poll.register(os.pidfd_open(owner), select.POLLIN)
        except ProcessLookupError:
            return
    poll.poll()


def main():
    pidfile, owner = Path(sys.argv[1]), int(sys.argv[2])
    prepare()
    print("ready", flush=True)
    quiet = os.open(os.devnull, os.O_RDWR)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    watch(owner)
    for host in HOSTS:
        procs.end(pidfile.with_name(f"{host}.pid"))
    pidfile.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
