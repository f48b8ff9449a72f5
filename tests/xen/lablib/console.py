# SPDX-License-Identifier: GPL-2.0-or-later
"""A host's serial console on this terminal; Ctrl-] leaves it."""

import os
import select
import socket
import sys
import termios
import tty

from lablib.layout import LabError

LEAVE = b"\x1d"
CHUNK = 4096


def attach(machine):
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(str(machine.path("console")))
        except OSError as error:
            raise LabError(f"no console: {error}") from None
        print(f"console of host {machine.name}; Ctrl-] leaves it, Enter wakes the shell", flush=True)
        if not sys.stdin.isatty():
            return relay(sock)
        before = termios.tcgetattr(0)
        try:
            tty.setraw(0)
            relay(sock)
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
            print()


def relay(sock):
    while True:
        ready = select.select([0, sock], [], [])[0]
        if sock in ready:
            data = sock.recv(CHUNK)
            if not data:
                return
            os.write(1, data)
        if 0 in ready:
            data = os.read(0, CHUNK)
            if not data or LEAVE in data:
                return
            sock.sendall(data)
