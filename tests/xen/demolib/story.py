# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration, act by act. Each act returns when what it shows has happened, or raises."""

import socket
import time

from demolib import clock, timeline
from demolib.session import PERIOD_S, Session
from lablib.layout import GUEST_IP, HOSTS, NUMBERED_PORT, PATTERN_PORT, LabError, host_ip
from lablib.protect import PROTECT_LIMIT_S

CONNECT_LIMIT_S, PATTERN_LIMIT_S = 20, 40
TAKEOVER_LIMIT_S = 60
QUIET_S = 0.35          # no lease is shorter: what comes earlier was on its way when the host died
UNPROTECTED_S, AFTERWARDS_S = 3.0, 5.0
LOOK_EVERY_S, REFRESH_S = 2.0, 0.2
OCTETS_PER_MB = 1 << 20
# Its self-checking memory is rewritten slowly: an emulated CPU has other work.
GUEST = {"memory": 128, "pattern_rate": 40}
# The VM's kernel freezes all that it runs for each epoch, which takes an emulated one most of 100 ms.
SETTINGS = {"epoch_ms": 100, "beat_ms": 50, "connect_timeout_ms": 30000, "detector_ceiling_ms": 20000}
FLOOR_MS, FLOOR_MAX_MS, PATIENCE = 1000, 8000, 16
TRAFFIC_LIMIT_S, RECOVERY_LIMIT_S = 60, 60
IN_FLIGHT = 4           # records without an answer at any time, when all is well


def silence_allowed(worst_s):
    """detector_floor_ms for hosts that were `worst_s` late: on a busy machine emulation stands still for as
    long as it likes, and that is no death."""
    return int(min(max(FLOOR_MS, PATIENCE * worst_s * 1000), FLOOR_MAX_MS))


class Failure(Exception):
    """The demonstration did not show what it should; the text says what and why."""


class Story:
    def __init__(self, screen, lab, protection):
        self.screen, self.lab, self.protection = screen, lab, protection
        self.session, self.clock = None, None
        self.started = False            # daemons, for whoever wants their logs
        self.phases, self.killed, self.pattern_before = [], None, None

    # ---- acts ----

    def hosts(self, owner):
        self.screen.step("Two Xen hosts, A and B, and a network between them and us")
        self.lab.up(owner=owner)
        self.protection.install()   # a VM's configuration names our hotplug program
        said = self.protection.must_run("A", "xl info | grep -E '^(xen_version|release)'").split()
        self.screen.note(f"both run Xen {said[5]}, Linux {said[2]} in dom0; each is an emulator process here")

    def guest(self):
        self.screen.step(f"A Linux VM on A, {GUEST['memory']} MB, stock Debian kernel")
        self.protection.guest(**GUEST)
        self.screen.note(f"it answers at {GUEST_IP}")

    def engine(self):
        self.screen.step("remusd on A, backupd on B")
        floor = silence_allowed(max(clock.lateness(self.lab, host) for host in HOSTS))
        self.protection.start(timing="measured", detector_floor_ms=floor, stop_timeout_ms=floor * 3 // 4,
                              **SETTINGS)
        self.started = True
        self.screen.note(f"B is to take over when A has been silent for {floor / 1000:.1f} s, which suits this "
                         "machine's pace")

    def connect(self):
        self.screen.step("A TCP session to it, from outside")
        self.pattern_before = self.memory()
        sock = self.lab.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.settimeout(CONNECT_LIMIT_S)
        try:
            sock.connect((GUEST_IP, NUMBERED_PORT))
        except OSError as error:
            sock.close()
            raise Failure(f"no session with {GUEST_IP} port {NUMBERED_PORT}: {error}") from None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.session = Session(sock)
        self.session.start()
        self.screen.note(f"a numbered record every {PERIOD_S * 1000:.0f} ms; every byte that comes back is checked")
        self.watch(UNPROTECTED_S, self.traffic)
        until = time.monotonic() + TRAFFIC_LIMIT_S
        while not self.session.checker.trips:
            if time.monotonic() > until:
                raise Failure(f"the guest answered nothing in {TRAFFIC_LIMIT_S} s")
            self.watch(REFRESH_S, self.traffic)

    def protect(self):
        self.screen.step(f"remusctl protect {self.protection.vm} --to {host_ip('B', 'repl')}")
        self.phase("protect")
        reply = self.protection.ask_protect()
        if not reply.get("ok") and reply.get("code") != "timeout":  # late is not refused
            raise Failure(f"protection was refused: {reply.get('error')} ({reply.get('hint')})")
        began = time.monotonic()
        status = self.look(self.copying, lambda s: s["protected"], PROTECT_LIMIT_S, "the VM was not protected")
        self.phase("protected")
        self.screen.note(f"protected after {time.monotonic() - began:.1f} s; {self.bytes_sent(status)} sent to B")

    def live(self, seconds):
        self.screen.step("remusctl status: the VM runs on A, B holds its last epoch")
        until = time.monotonic() + seconds
        status = self.look(self.epochs, lambda s: s["protected"] and time.monotonic() >= until,
                           seconds + PROTECT_LIMIT_S, "the VM did not stay protected")
        self.screen.note(self.epochs(status))

    def kill(self):
        self.clock = clock.HostClock(self.lab, "B")
        before = self.clock.bounds()
        self.session.check()
        self.screen.step("SIGKILL for host A's emulator: A is gone, with its VM and remusd")
        self.killed = time.monotonic()
        if not self.lab.kill("A"):
            raise Failure("host A was off already")
        self.wait_first_byte()
        self.screen.note("the session goes on, on B")
        self.recover()
        self.phase("recovered")
        self.watch(AFTERWARDS_S, self.traffic)
        return before.join(self.clock.bounds())

    def wait_first_byte(self):
        """B is left alone meanwhile: a question costs it time that it needs now."""
        while self.session.checker.arrivals[-1] < self.killed + QUIET_S:
            waited = time.monotonic() - self.killed
            if waited > TAKEOVER_LIMIT_S:
                raise Failure(f"no byte of the session came within {waited:.0f} s of the kill")
            self.session.check()
            self.screen.live(f"{self.traffic()} | A dead for {waited:.1f} s")
            time.sleep(REFRESH_S / 2)

    def recover(self):
        """Until what was sent into the silence has been answered."""
        until = time.monotonic() + RECOVERY_LIMIT_S
        while self.session.checker.open_records() > IN_FLIGHT:
            if time.monotonic() > until:
                raise Failure(f"{self.session.checker.open_records()} records still wait for an answer "
                              f"{RECOVERY_LIMIT_S} s after the first byte from B")
            self.watch(REFRESH_S, self.traffic)

    def verify(self, bounds):
        """Returns (timeline, what the guest's memory check found)."""
        self.screen.step("Was it so?")
        self.session.finish()
        self.check_backup()
        memory = self.checked_memory()
        events = self.protection.events("B")
        for event in events:
            if event["event"] in (timeline.DETECTED, timeline.DECIDED, timeline.ACTIVATED):
                self.screen.note(f"backupd: {event['text']}")
        checker = self.session.checker
        found = timeline.build(self.killed, events, bounds, checker.arrivals)
        if checker.trips[-1][0] < found.first_byte:
            raise Failure("nothing was sent and answered after the first byte from B")
        return found, memory

    def check_backup(self):
        status = self.protection.status("B")
        if not status or status["state"] != "active":
            raise Failure(f"backupd does not say that the VM runs on B: {status and status['state']}")

    def checked_memory(self):
        memory = self.memory()
        if memory["errors"]:
            raise Failure(f"the guest's memory check failed: {memory['errors']} errors, the first in page "
                          f"{memory['first_bad']}")
        if memory["writes"] <= self.pattern_before["writes"]:
            raise Failure("the guest no longer writes the memory that it checks")
        return memory

    # ---- looking on ----

    def watch(self, seconds, text):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.session.check()
            self.screen.live(text())
            time.sleep(REFRESH_S)

    def look(self, text, predicate, limit_s, failure):
        """Shows the status until it is as wanted; returns it."""
        until = time.monotonic() + limit_s
        while True:
            status = self.protection.status("A")
            if status is None or status["state"] in ("unprotected", "fenced", "vm-gone", "stopped"):
                raise Failure(f"{failure}: remusd says {status and status['state']}")
            if predicate(status):
                return status
            if time.monotonic() > until:
                raise Failure(f"{failure} within {limit_s:.0f} s: {self.state(status)}")
            self.watch(LOOK_EVERY_S, lambda shown=status: text(shown))

    def state(self, status):
        return status["state"] + "".join(f", {d['cause']}: {d['text']}" for d in status["degraded"])

    def copying(self, status):
        sync = status["sync"]
        done = f" {100 * sync['pages_done'] // max(sync['pages_total'], 1)} %" if sync else ""
        return f"{self.state(status)}{done} | {self.traffic()}"

    def epochs(self, status):
        return (f"{self.state(status)} | epoch {status['epoch']}, {status['epochs_per_s']:.1f}/s | "
                f"pause {status['pause_us']['p50'] / 1000:.0f} ms | {self.bytes_sent(status)} | {self.traffic()}")

    def bytes_sent(self, status):
        return f"{status['bytes_sent'] / OCTETS_PER_MB:.1f} MB"

    def traffic(self):
        checker = self.session.checker
        trip = f"{checker.trips[-1][1] * 1000:.0f} ms" if checker.trips else "none yet"
        return f"{len(checker.trips)} answers, last round trip {trip}"

    def phase(self, name):
        self.phases.append((name, time.monotonic()))

    def memory(self):
        """The guest checks the memory that it keeps rewriting."""
        with self.lab.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.settimeout(PATTERN_LIMIT_S)
            try:
                sock.connect((GUEST_IP, PATTERN_PORT))
                with sock.makefile() as stream:
                    return {key: int(value) for key, value in
                            (word.split("=") for word in stream.readline().split())}
            except OSError as error:
                raise Failure(f"the guest's memory check does not answer: {error}") from None

    def logs(self):
        """What the daemons said last, for a failure that their users would look into."""
        for daemon in ("remusd", "backupd") if self.started else ():
            try:
                lines = self.protection.log(daemon).splitlines()[-6:]
            except LabError as error:
                lines = [str(error)]
            yield from (f"{daemon}: {line}" for line in lines)

    def close(self):
        if self.session:
            self.session.close()
        if self.clock:
            self.clock.close()
