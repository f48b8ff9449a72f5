# SPDX-License-Identifier: GPL-2.0-or-later
"""flood.py ADDRESS PORT: sends to an echo service, a little ahead of what comes back, and compares what comes back.

Prints a line when the first come back. Ends with SIGTERM, and prints how many octets went round; exits with 1
at the first wrong one.
"""

import os
import select
import signal
import socket
import sys

CHUNK, AHEAD = 4096, 8192


class Ended(Exception):
    pass


def end(*_):
    raise Ended


def flood(sock):
    """Octet number n of the stream is n of this block, over and over."""
    block, sent, received = os.urandom(CHUNK), 0, 0
    try:
        while True:
            ahead = sent - received < AHEAD
            readable, writable, _ = select.select([sock], [sock] if ahead else [], [])
            if writable:
                sent += sock.send(block[sent % CHUNK:])
            if readable:
                data = sock.recv(CHUNK)
                at = received % CHUNK
                if not data or data != (block + block)[at:at + len(data)]:
                    print(f"after {received} octets: {'closed' if not data else 'not what was sent'}")
                    return 1
                if received == 0:
                    print("flowing", flush=True)
                received += len(data)
    except Ended:
        print(received)
        return 0


def main():
    signal.signal(signal.SIGTERM, end)
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as sock:
        sock.setblocking(False)
        return flood(sock)


if __name__ == "__main__":
    sys.exit(main())
