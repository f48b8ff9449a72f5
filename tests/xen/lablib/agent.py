# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs commands in a host's dom0, or in the guest, through its agent (dom0/agentd.c has the protocol)."""

import os
import select
import socket
import struct
import sys
import time

from lablib.layout import AGENT_PORT, LabError, host_ip

HEAD = struct.Struct(">cI")
CHUNK = 32768
CONNECT_LIMIT_S = 10
POLL_S = 0.5


class TimedOut(LabError):
    pass


class Channel:
    """One command. `alive` is asked while nothing arrives: a dead host sends no farewell."""

    def __init__(self, sock, host, alive, limit_s, address=None):
        self.sock, self.host, self.alive = sock, host, alive
        self.address = address or host_ip(host, "mgmt")
        self.deadline = time.monotonic() + limit_s
        self.limit_s = limit_s
        self.received = b""
        self.unsent = b""

    def connect(self):
        self.sock.settimeout(min(CONNECT_LIMIT_S, self.limit_s))
        try:
            self.sock.connect((self.address, AGENT_PORT))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A close is a reset: input that a command never reads must not hide it from the agent.
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.setblocking(False)
        except OSError as error:
            raise LabError(f"host {self.host} does not answer: {error}") from None

    def send(self, kind, data):
        self.unsent += HEAD.pack(kind, len(data)) + data

    def flush(self):
        try:
            self.unsent = self.unsent[self.sock.send(self.unsent):]
        except BlockingIOError:
            pass
        except OSError as error:
            raise LabError(f"host {self.host}: {error}") from None

    def frames(self):
        """Complete frames in what has arrived."""
        while len(self.received) >= HEAD.size:
            kind, length = HEAD.unpack_from(self.received)
            if len(self.received) < HEAD.size + length:
                return
            data = self.received[HEAD.size:HEAD.size + length]
            self.received = self.received[HEAD.size + length:]
            yield kind, data

    def check(self):
        if time.monotonic() > self.deadline:
            raise TimedOut(f"host {self.host}: the command was ended after {self.limit_s:g} s")
        if not self.alive():
            raise LabError(f"host {self.host} died while the command ran")

    def run(self, command, stdin, out, err):
        """Exit status. stdin: None or a file; out, err: called with bytes."""
        self.connect()
        self.send(b"c", command.encode())
        if stdin is None:
            self.send(b"i", b"")
        while True:
            stdin = self.exchange(stdin)
            for kind, data in self.frames():
                if kind == b"x":
                    return struct.unpack(">I", data)[0]
                (out if kind == b"o" else err)(data)

    def exchange(self, stdin):
        """Sends and receives what is possible now; returns the input, None after its end."""
        sources = [self.sock] + ([stdin] if stdin is not None and not self.unsent else [])
        sinks = [self.sock] if self.unsent else []
        readable, writable, _ = select.select(sources, sinks, [], POLL_S)
        self.check()
        if writable:
            self.flush()
        if self.sock in readable:
            self.receive()
        return self.pass_input(stdin) if stdin in readable else stdin

    def pass_input(self, stdin):
        data = os.read(stdin.fileno(), CHUNK)
        self.send(b"i", data)
        return stdin if data else None

    def receive(self):
        try:
            data = self.sock.recv(CHUNK * 2)
        except BlockingIOError:
            return
        except OSError as error:
            raise LabError(f"host {self.host}: {error}") from None
        if not data:
            raise LabError(f"host {self.host} closed the connection")
        self.received += data


def to_stdout(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def to_stderr(data):
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()
