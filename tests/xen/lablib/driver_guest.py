# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest with the suspend driver: under load, checking itself, suspended by a tool in dom0."""

import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

from lablib import transfer
from lablib.fixture import until
from lablib.layout import (CLOCKS_PORT, DISKCHECK_PORT, ECHO_PORT, GUEST_IP, HOSTS, PATTERN_PORT, SOURCES,
                           VECTOR_PORT, LabError, host_ip)

DEFAULTS = {"driver": 1, "memory": 160, "pattern_mb": 4, "pattern_rate": 100}
FORKS = "while [ ! -e /tmp/rest ]; do busybox true; busybox true; busybox true; usleep 20000; done"
PARAMETERS = "/sys/module/remus_suspend/parameters"
DISK = "/tmp/disk"
START_S, ANSWER_S, MOVE_S = 300, 120, 400
SETTLED_MS = 3000
RECEIVE_PORT = 9000


class DriverGuest:
    """One guest, called `guest`; `host` is where it is now."""

    def __init__(self, lab, build):
        self.lab, self.host, self.flooding = lab, "A", None
        self.disk = False
        for host in HOSTS:
            transfer.put(lab, host, [Path(build) / "helpers/xen/suspender"], "/usr/sbin",
                         with_libraries=True)

    # ---- starting ----

    def start(self, **settings):
        """Keys as lab-guest has them; `driver` is loaded unless told otherwise. The memory that checks
        itself is small, since a check of all of it takes its time in emulation."""
        self.disk = "disk" in settings
        self.lab.run(self.host, "xl destroy guest 2>/dev/null")
        words = [f"{key}={value}" for key, value in (DEFAULTS | settings).items()]
        self.must_run(self.host, "lab-guest '" + "' '".join(words) + "'")
        self.await_answer()

    def await_answer(self):
        until("the guest runs commands", lambda: self.answers(), START_S)

    def answers(self):
        try:
            return self.lab.run_guest("true", 10)[0] == 0
        except LabError:
            return False

    def load(self, *programs):
        """fork and exec without end, the self-checks, and `programs`, until unload(). An emulated CPU is to
        be busy, not out of breath: whoever asks a self-check is to get an answer."""
        wanted = ["vector 1", "clocks 1", f"sh -c {shlex.quote(FORKS)}", *programs]
        wanted += ["diskcheck /dev/xvda 4"] if self.disk else []
        self.run("".join(f"setsid {program} >/dev/null 2>&1 & " for program in wanted))
        ports = [VECTOR_PORT, CLOCKS_PORT] + ([DISKCHECK_PORT] if self.disk else [])
        for port in ports:
            until("the self-checks run", lambda p=port: self.ask(p), ANSWER_S)

    def flood(self):
        """TCP in both directions, every octet compared."""
        script = SOURCES / "lablib/flood.py"
        self.flooding = self.lab.client([sys.executable, script, GUEST_IP, str(ECHO_PORT)],
                                        stdout=subprocess.PIPE)
        assert self.flooding.stdout.readline(), "no stream came about"

    def end_flood(self):
        """The number of octets that went round."""
        flooding, self.flooding = self.flooding, None
        assert flooding.poll() is None, f"the stream ended: {flooding.stdout.read().decode()}"
        flooding.send_signal(signal.SIGTERM)
        text = flooding.communicate(timeout=ANSWER_S)[0].decode()
        assert flooding.returncode == 0, text
        return int(text)

    # ---- commands ----

    def must_run(self, host, command, limit_s=ANSWER_S):
        status, text = self.lab.run(host, command, limit_s)
        assert status == 0, f"{host}: {command}: {status}: {text}"
        return text

    def run(self, command, limit_s=ANSWER_S):
        status, text = self.lab.run_guest(command, limit_s)
        assert status == 0, f"guest: {command}: {status}: {text}"
        return text

    def domid(self):
        return int(self.must_run(self.host, "xl domid guest"))

    def published(self):
        return self.must_run(
            self.host, f"xenstore-read /local/domain/{self.domid()}/device/suspend/event-channel").strip()

    def suspender(self, mode, count=1, how="plain", limit_s=3600):
        """KEY=NUMBER of what the tool printed."""
        return numbers(self.must_run(self.host, f"suspender {mode} {self.domid()} {count} {how}", limit_s))

    def counter(self, name):
        return int(self.run(f"cat {PARAMETERS}/{name}"))

    def log_lines(self, text):
        return [line for line in self.run("dmesg").splitlines() if text in line]

    # ---- moving ----

    def save_and_restore(self):
        self.must_run(self.host, "xl save guest /tmp/guest.save", MOVE_S)
        self.must_run(self.host, "xl restore /tmp/guest.save; s=$?; rm /tmp/guest.save; exit $s", MOVE_S)
        self.await_return()

    def migrate(self):
        """With stock xl, to the other host."""
        other = HOSTS[1 - HOSTS.index(self.host)]
        self.must_run(other, f"socat TCP-LISTEN:{RECEIVE_PORT},reuseaddr,nodelay "
                             'EXEC:"xl migrate-receive",nofork >/tmp/receive.log 2>&1 &')
        self.must_run(self.host, f"xl migrate -s '' guest 'socat STDIO TCP:{host_ip(other, 'repl')}:"
                                 f"{RECEIVE_PORT},nodelay' >/tmp/migrate.log 2>&1 || "
                                 "{ cat /tmp/migrate.log; false; }", MOVE_S)
        self.host = other
        self.await_return()

    def await_return(self):
        """The driver publishes a port again when the devices are connected."""
        until("the driver publishes again", lambda: self.published() != "", ANSWER_S)
        self.await_answer()

    # ---- self-checks ----

    def ask(self, port):
        """KEY=NUMBER of a self-checking program; None: it does not answer."""
        try:
            with self.lab.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
                sock.settimeout(ANSWER_S)
                sock.connect((GUEST_IP, port))
                with sock.makefile() as stream:
                    return numbers(stream.readline())
        except OSError:
            return None

    def check(self):
        """Fails on the first thing that is not as it should be; returns what the programs said."""
        ports = {"pattern": PATTERN_PORT, "vector": VECTOR_PORT, "clocks": CLOCKS_PORT}
        ports |= {"disk": DISKCHECK_PORT} if self.disk else {}
        said = {name: until(f"{name} answers", lambda p=port: self.ask(p), ANSWER_S)
                for name, port in ports.items()}
        for name, values in said.items():
            assert values.get("errors", 0) == 0 and values.get("backward", 0) == 0, (name, values)
        return said

    def unload(self):
        """Without load everything owed must come: sleepers wake, no expiry is missing, no request pends."""
        self.run("touch /tmp/rest; killall vector")
        until("no timer is lost", self.timers_done, ANSWER_S)
        if self.disk:
            until("no request is lost", lambda: self.ask(DISKCHECK_PORT)["pending_ms"] < SETTLED_MS, ANSWER_S)

    def timers_done(self):
        clocks = self.ask(CLOCKS_PORT)
        return clocks["overdue_ms"] < SETTLED_MS and clocks["missing"] * 10 < SETTLED_MS


def numbers(text):
    pairs = [word.split("=") for word in text.split() if "=" in word]
    return {key: float(value) if "." in value else int(value) for key, value in pairs}
