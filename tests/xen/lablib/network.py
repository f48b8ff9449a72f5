# SPDX-License-Identifier: GPL-2.0-or-later
"""The laboratory's network: a namespace of its own, a bridge for each cable, a TAP for each end.

The namespace lives as long as its keeper, a process of this library, does.
"""

import ctypes
import os
import subprocess
import sys
from contextlib import contextmanager

from lablib import procs
from lablib.layout import (BRIDGES, CLIENT_IP, CLIENT_IP6, HOSTS, NICS, SOURCES, SUBNET, LabError,
                           tap_name)

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
COMMAND_LIMIT_S = 20


def setns(path, kind):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(fd, kind) != 0:
            raise LabError(f"cannot enter {path}: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(fd)


def ip(*arguments):
    got = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=COMMAND_LIMIT_S)
    if got.returncode != 0:
        raise LabError(f"ip {' '.join(arguments)}: {got.stderr.strip()}")


def without_network():
    """The beginning of a command that is to run in a network of its own, in which nothing is yet."""
    return ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]


class Namespace:
    def __init__(self, directory):
        self.pidfile = directory / "keeper.pid"

    def exists(self):
        return self.pid() is not None

    def pid(self):
        handle = procs.find(self.pidfile)
        if not handle:
            return None
        with handle:
            return handle.pid

    def start(self, owner):
        """`owner`: process at whose end the keeper takes the laboratory down; 0 for none."""
        keeper = [sys.executable, "-B", SOURCES / "lablib/keeper.py", self.pidfile, str(owner)]
        process = subprocess.Popen([*without_network(), "--", *keeper], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        procs.write_pid(self.pidfile, process.pid)
        said = process.stdout.readline()  # ends when it is ready or dead
        process.stdout.close()
        if said != b"ready\n":
            raise LabError("cannot make a network namespace: " + said.decode().strip())

    def end(self):
        procs.end(self.pidfile)

    @contextmanager
    def entered(self):
        """Sockets and processes made meanwhile by this thread belong to the namespace.

        Root returns to where it was. Others cannot: a process without privilege stays inside.
        """
        pid = self.pid()
        if pid is None:
            raise LabError("the laboratory is not up")
        root = os.geteuid() == 0
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if not root:
                setns(f"/proc/{pid}/ns/user", CLONE_NEWUSER)
            setns(f"/proc/{pid}/ns/net", CLONE_NEWNET)
            yield
        finally:
            if root:
                setns(f"/proc/self/fd/{before}", CLONE_NEWNET)
            os.close(before)


def make_links():
    """Called inside the namespace."""
    ip("link", "set", "lo", "up")
    for nic in NICS:
        ip("link", "add", BRIDGES[nic], "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        ip("link", "set", BRIDGES[nic], "up")
    ip("address", "add", f"{CLIENT_IP}/24", "dev", BRIDGES["front"])
    ip("address", "add", f"{CLIENT_IP6}/64", "dev", BRIDGES["front"], "nodad")
    ip("address", "add", f"{SUBNET['mgmt']}.1/24", "dev", BRIDGES["mgmt"])
    for host in HOSTS:
        for nic in NICS:
            tap = tap_name(host, nic)
            ip("tuntap", "add", "dev", tap, "mode", "tap", "vnet_hdr")
            ip("link", "set", tap, "master", BRIDGES[nic])
            ip("link", "set", tap, "up")
