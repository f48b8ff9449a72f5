# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that may outlive the command that started them, known by a pid file.

A pid alone proves nothing: it may belong to someone else by now. A process is ours while its
command line holds the pid file's own path.
"""

import os
import select
import signal
from pathlib import Path

END_LIMIT_S = 10


def is_ours(pid, pidfile):
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return str(pidfile).encode() in words  # a zombie has no command line


class Handle:
    """The process behind a pid file, held so that its pid cannot change hands meanwhile."""

    def __init__(self, pid, fd):
        self.pid, self.fd = pid, fd

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        os.close(self.fd)

    def signal(self, number):
        try:
            signal.pidfd_send_signal(self.fd, number)
        except ProcessLookupError:
            pass

    def wait(self, limit_s):
        return bool(select.select([self.fd], [], [], limit_s)[0])


def find(pidfile):
    """A Handle, or None when it does not run."""
    try:
        pid = int(pidfile.read_text())
        fd = os.pidfd_open(pid)
    except (OSError, ValueError):
        return None
    if is_ours(pid, pidfile):
        return Handle(pid, fd)
    os.close(fd)
    return None


def send(pidfile, number):
    """False: there was nobody to send it to."""
    handle = find(pidfile)
    if not handle:
        return False
    with handle:
        handle.signal(number)
    return True


def end(pidfile, number=signal.SIGKILL):
    """Ends it and waits until it is gone."""
    handle = find(pidfile)
    if handle:
        with handle:
            handle.signal(number)
            if not handle.wait(END_LIMIT_S):
                handle.signal(signal.SIGKILL)
                handle.wait(END_LIMIT_S)
    pidfile.unlink(missing_ok=True)
    return handle is not None


def write_pid(pidfile, pid):
    draft = pidfile.with_name(pidfile.name + ".part")
    draft.write_text(f"{pid}\n")
    draft.rename(pidfile)
