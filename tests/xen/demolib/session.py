# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration's client: one TCP session whose every byte is checked.

It sends a numbered record at a fixed pace, answered or not, as a telephone call or a stream would. The
guest's numbered-lines service (guest/echod.c) answers record N with "N " and the record. The octets that
come back must be exactly those, in that order, to the end of the stream.
"""

import hashlib
import select
import socket
import threading
import time

PERIOD_S = 0.05
AHEAD_MAX = 200             # records without an answer: 10 s of them; then it waits
ANSWER_MAX = 200            # octets; a line without an end is found at once
CHUNK = 65536
END_LIMIT_S = 30


class SessionError(Exception):
    """What is wrong with the session; the text is the whole message."""


def record(number):
    """Its octets differ from those of every other record, and so does its length from its neighbours'."""
    text = hashlib.sha256(str(number).encode()).hexdigest()
    return f"{number} {text[:16 + number % 48]}\n".encode()


def answer(number):
    return f"{number} ".encode() + record(number)


def explain(number, line):
    """Why `line` is not the answer to record `number`."""
    shown = line[:80].decode(errors="backslashreplace").rstrip("\n")
    head = line.split(b" ", 1)[0]
    came = int(head) if head.isdigit() and len(head) < 12 else None
    if came is not None and line == answer(came):
        what = "repeated" if came < number else "lost"
        return f"a record is {what}: the answer to {came} came where {number} was due"
    return f"a wrong byte in the answer to record {number}: {shown!r}"


class Checker:
    """What was sent and when, what has come back and how long it took."""

    def __init__(self):
        self.sent_at = []       # of record N at N - 1
        self.trips = []         # (sent at, seconds), in order
        self.arrivals = []      # when octets came
        self.octets = 0
        self.rest = b""         # of an answer that is not complete yet

    def open_records(self):
        return len(self.sent_at) - len(self.trips)

    def next_record(self, now):
        self.sent_at.append(now)
        return record(len(self.sent_at))

    def received(self, data, now):
        self.arrivals.append(now)
        self.octets += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.check(line + b"\n", now)
        if len(self.rest) > ANSWER_MAX:
            self.check(self.rest, now)

    def check(self, line, now):
        due = len(self.trips) + 1
        if line != answer(due):
            raise SessionError(explain(due, line))
        if due > len(self.sent_at):
            raise SessionError(f"the answer to record {due} came before the record was sent")
        sent = self.sent_at[due - 1]
        self.trips.append((sent, now - sent))

    def ended(self):
        """The peer ended the stream."""
        raise SessionError(f"the guest closed the session; {self.open_records()} records are "
                           "without an answer")


class Session:
    """Runs a Checker over a connected socket, in a thread of its own."""

    def __init__(self, sock, period_s=PERIOD_S):
        self.sock, self.period_s = sock, period_s
        self.checker, self.unsent = Checker(), b""
        self.error, self.finished = None, False
        self.sending = True
        self.end_by = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        sock.setblocking(False)

    def start(self):
        self.thread.start()

    def finish(self, limit_s=END_LIMIT_S):
        """Ends it in order: the last answer, then the end of the stream. Raises what went wrong."""
        self.end_by = time.monotonic() + limit_s
        self.sending = False
        self.thread.join(limit_s + 1)
        self.check()

    def check(self):
        if self.error:
            raise SessionError(self.error)

    def close(self):
        """At once, whatever is open."""
        self.end_by, self.sending = 0, False
        if self.thread.ident:
            self.thread.join()
        self.sock.close()

    def run(self):
        try:
            due = time.monotonic()
            while not self.finished:
                due = self.turn(due)
        except SessionError as error:
            self.error = str(error)
        except OSError as error:
            self.error = f"the session was broken: {error.strerror or error}"

    def turn(self, due):
        now = time.monotonic()
        if self.sending:
            while due <= now:
                if self.checker.open_records() < AHEAD_MAX:
                    self.unsent += self.checker.next_record(now)
                due += self.period_s
        elif now > self.end_by:
            raise SessionError(f"{self.checker.open_records()} records had no answer when time was up")
        elif not self.unsent and not self.checker.open_records():
            self.shut()
            return due
        self.exchange(max(0.0, due - now) if self.sending else self.period_s)
        return due

    def exchange(self, wait_s):
        sinks = [self.sock] if self.unsent else []
        readable, writable, _ = select.select([self.sock], sinks, [], wait_s)
        if writable:
            self.unsent = self.unsent[self.sock.send(self.unsent):]
        if readable:
            data = self.sock.recv(CHUNK)
            if not data:
                self.checker.ended()
            self.checker.received(data, time.monotonic())

    def shut(self):
        """Our end of the stream, then the guest's: nothing more may come."""
        self.sock.shutdown(socket.SHUT_WR)
        self.sock.settimeout(max(0.1, self.end_by - time.monotonic()))
        try:
            data = self.checker.rest + self.sock.recv(CHUNK)
        except TimeoutError:
            raise SessionError("the guest did not close the session when its client did") from None
        if data:
            raise SessionError(f"more came than was asked for: {data[:80]!r}")
        self.finished = True
