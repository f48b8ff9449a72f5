# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs in the guest that check its memory, vector registers, clocks, timers and disk, wherever it is."""

import socket

from lablib.fixture import until
from lablib.layout import CLOCKS_PORT, DISKCHECK_PORT, GUEST_IP, PATTERN_PORT, VECTOR_PORT

PORTS = {"memory": PATTERN_PORT, "vector": VECTOR_PORT, "avx": VECTOR_PORT, "clocks": CLOCKS_PORT,
         "disk": DISKCHECK_PORT, "fixed": DISKCHECK_PORT}
# Program and priority. An emulated CPU is to be busy, not out of breath: the first never rests, and whoever asks is
# to get an answer. "vector" and "avx" are one program, that is started either way; so are "disk" and "fixed", which
# is for a disk that cannot be written.
COMMANDS = {"vector": ("vector {threads}", 5), "avx": ("vector {threads} avx", 5),
            "clocks": ("clocks {threads}", 0), "disk": ("diskcheck /dev/xvda {requests}", 5),
            "fixed": ("diskcheck /dev/xvda {requests} read", 5)}
WORK = {"memory": "writes", "vector": "rounds", "avx": "rounds", "clocks": "reads", "disk": "writes",
        "fixed": "reads"}
ANSWER_S = 600
SETTLED_MS = 3000
TICK_MS = 10


def numbers(text):
    """KEY=NUMBER words."""
    pairs = [word.split("=") for word in text.split() if "=" in word]
    return {key: float(value) if "." in value else int(value) for key, value in pairs}


class SelfChecks:
    """`run`: runs a command in the guest. The memory's program runs from the start."""

    def __init__(self, lab, run):
        self.lab, self.run, self.names, self.threads = lab, run, ["memory"], 1

    def start(self, *names):
        for name in names:
            command, nice = COMMANDS[name]
            command = command.format(threads=self.threads, requests=max(self.threads, 2))
            self.run(f"setsid sh -c 'renice -n {nice} $$; exec {command}' >/dev/null 2>&1 &")
        self.names += names
        for name in names:
            self.answer(name)

    def stop(self, name):
        self.run(f"killall {COMMANDS[name][0].split()[0]}")
        self.names.remove(name)

    def ask(self, name):
        """What the program says; None: it does not answer."""
        try:
            with self.lab.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
                sock.settimeout(ANSWER_S)
                sock.connect((GUEST_IP, PORTS[name]))
                with sock.makefile() as stream:
                    return numbers(stream.readline())
        except OSError:
            return None

    def answer(self, name):
        return until(f"{name} answers", lambda: self.ask(name), ANSWER_S)

    def check(self):
        """Fails on the first thing that is not as it should be; returns what the programs said."""
        said = {name: self.answer(name) for name in self.names}
        for name, values in said.items():
            assert values.get("errors", 0) == 0 and values.get("backward", 0) == 0, (name, values)
        return said

    def check_work(self, before):
        """As check(), once each of them has done something since it said `before`."""
        def all_have():
            said = self.check()
            return all(said[name][WORK[name]] > before[name][WORK[name]] for name in said) and said

        return until(f"all self-checks have gone on since {before}", all_have)

    def check_owed(self):
        """Of a guest that is not busy any more: sleepers wake, no expiry is missing, no request pends."""
        until("no timer is lost", lambda: self.timers_are_done(self.ask("clocks")), ANSWER_S)
        for name in {"disk", "fixed"}.intersection(self.names):
            until("no request is lost",
                  lambda: (disk := self.ask(name)) and disk["pending_ms"] < SETTLED_MS, ANSWER_S)

    @staticmethod
    def timers_are_done(clocks):
        return clocks and clocks["overdue_ms"] < SETTLED_MS and clocks["missing"] * TICK_MS < SETTLED_MS
