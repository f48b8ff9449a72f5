# SPDX-License-Identifier: GPL-2.0-or-later
"""flood.py ADDRESS PORT: sends to an echo service, a little ahead of what comes back, and compares what comes back.

Prints how many octets went round, when the first have, twice a second and at its end, which is SIGTERM's doing;
exits with 1 at the first wrong one, and when the test that started it is gone.
"""

import os
import select
import signal
import socket
import sys
import time

CHUNK, AHEAD = 4096, 8192
TELL_S = 0.5
LOOK_S = 1


class Ended(Exception):
    pass


def end(*_):
    raise Ended


class Flood:
    """Octet number n of the stream is n of the block, over and over."""

    def __init__(self, sock):
        self.sock, self.block, self.parent = sock, os.urandom(CHUNK), os.getppid()
        self.sent = self.received = 0
        self.told = 0.0

    def send(self):
        self.sent += self.sock.send(self.block[self.sent % CHUNK:])

    def receive(self):
        data = self.sock.recv(CHUNK)
        at = self.received % CHUNK
        if not data or data != (self.block * 2)[at:at + len(data)]:
            sys.exit(f"after {self.received} octets: {'closed' if not data else 'not what was sent'}")
        self.received += len(data)
        if time.monotonic() >= self.told + TELL_S:
            self.tell()

    def tell(self):
        self.told = time.monotonic()
        print(self.received, flush=True)

    def run(self):
        while os.getppid() == self.parent:
            ahead = self.sent - self.received < AHEAD
            readable, writable, _ = select.select([self.sock], [self.sock] if ahead else [], [], LOOK_S)
            if writable:
                self.send()
            if readable:
                self.receive()
        sys.exit("nobody is left to hear of it")


def main():
    signal.signal(signal.SIGTERM, end)
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as sock:
        sock.setblocking(False)
        flood = Flood(sock)
        try:
            flood.run()
        except Ended:
            flood.tell()


if __name__ == "__main__":
    main()
