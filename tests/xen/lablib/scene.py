# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest with the engine under it, for tests: states that every case may start from, clients, verdicts.

The states are snapshots of both hosts, made when they are first asked for and gone with the laboratory:
"ready", a guest on A and the daemons on both hosts; "protected", the same with the guest protected.
"""

import functools
import json
import signal
import socket
import subprocess
import sys

import tap
from lablib import transfer
from lablib.fixture import PATIENCE_S, Fixture, until
from lablib.laboratory import BOOTED
from lablib.layout import GUEST_IP, PATTERN_PORT, SOURCES, LabError
from lablib.protect import DAEMONS, PROGRAM_DIR, RUN_DIR, Protection, is_protected

GUEST_VLAN = 77
REPLY_S = 30
LOG_LINES = 25
CEILING_MS = 12000
# For cases in which a lease must not run out although nothing is sealed for a while.
PATIENT = {"detector_floor_ms": 20000, "detector_ceiling_ms": 30000}
LIVELY = 10  # answers that show that a conversation goes on


class Talk:
    """Clients that check every answer (client/talk.py), in a process on the outer machine."""

    def __init__(self, lab, directory, connections=3):
        self.log = directory / "talk.log"
        with open(self.log, "wb") as out:
            self.process = lab.client([sys.executable, SOURCES / "client/talk.py", GUEST_IP, str(connections)],
                                      stdout=out, stderr=subprocess.STDOUT)

    def state(self):
        lines = [line for line in self.log.read_text().split("\n")[:-1] if line]
        return json.loads(lines[-1]) if lines else {"answered": 0, "bad": []}

    def more(self, count=LIVELY, patience_s=PATIENCE_S):
        """Waits for so many more answers."""
        goal = self.state()["answered"] + count
        until("the clients are answered", lambda: self.bad() or self.state()["answered"] >= goal, patience_s)
        assert not self.bad(), self.bad()

    def bad(self):
        ended = self.process.poll() is not None and not self.state().get("done")
        return self.state()["bad"] or (["the clients ended: " + self.log.read_text()[-500:]] if ended else [])

    def finish(self):
        """No line is lost, repeated or changed, and all that was sent is answered."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)
        result = self.state()
        assert not result["bad"] and result["done"], result
        assert result["answered"] == result["sent"] > 0 and result["octets"] > 0, result
        return result

    def close(self):
        self.process.kill()
        self.process.wait()


class Strike:
    """A fault point (engine/base/fault.h) armed in a daemon, which is started anew for it."""

    def __init__(self, protection, daemon, rule):
        self.protection, self.host = protection, protection.host_of(daemon)
        self.mark = f"{RUN_DIR}/struck"
        protection.end_daemon(daemon)
        protection.start_daemon(daemon, REMUS_FAULT=rule, REMUS_FAULT_ONCE=self.mark)

    def fired(self):
        return self.protection.lab.run(self.host, f"test -e {self.mark}")[0] == 0

    def wait(self):
        until("the armed point is reached", self.fired)


class Scene(Fixture):
    def __init__(self, **guest):
        """guest: keys of dom0/lab-guest, for the usual one."""
        super().__init__()
        self.usual = {"tsc": "native"} | guest
        self.talks, self.protection, self.settings = [], None, {}

    def run(self, case):
        """One case; when it fails, what the daemons logged is said."""
        try:
            case(self)
        except tap.SkipTest:
            raise
        except Exception:
            self.tell_logs()
            raise
        finally:
            self.end_talks()

    def tell_logs(self):
        for daemon in DAEMONS if self.protection else ():
            try:
                lines = self.protection.log(daemon).splitlines()[-LOG_LINES:]
            except LabError as error:
                lines = [str(error)]
            print("\n".join(f"# {daemon}: {line}" for line in lines), flush=True)

    # ---- where a case starts ----

    def ready(self, files=(), **guest):
        """guest: another guest than the usual one (keys: dom0/lab-guest); it is booted. files: for A's /tmp."""
        if guest:
            self.prepare(files, **guest)
        else:
            self.start_over("ready", self.prepare)
        return self.protection

    def patient(self, **conf):
        """Ready, with daemons that take nothing for dead within 20 s."""
        p = self.ready()
        p.stop()
        p.start(**PATIENT, **conf)
        return p

    def protected(self):
        self.start_over("protected", lambda: self.ready().protect())
        return self.protection

    def start_over(self, name, make):
        self.end_talks()
        new = super().start_over(name, make)
        if not new:
            self.protection.settings = self.settings  # as in all that is kept
        return new

    def prepare(self, files=(), **guest):
        lab = self.need()
        if self.protection:  # an earlier case left something there
            lab.restore(BOOTED)
        if files:
            transfer.put(lab, "A", files, "/tmp")
        self.protection = Protection(lab)
        self.protection.install()
        self.protection.start(detector_ceiling_ms=CEILING_MS)
        self.settings = self.protection.settings
        self.protection.guest(vlan=GUEST_VLAN, **(self.usual | guest))

    def bring(self, host, tool):
        """A program of tests/xen/tools, onto the path there."""
        transfer.put(self.need(), host, [self.protection.build / "helpers/xen" / tool], PROGRAM_DIR, with_libraries=True)

    # ---- clients ----

    def talk(self, connections=3):
        """A conversation that is under way."""
        talk = Talk(self.need(), self.directory, connections)
        self.talks.append(talk)
        talk.more()
        return talk

    def end_talks(self):
        while self.talks:
            self.talks.pop().close()

    def close(self):
        self.end_talks()
        super().close()

    def connect(self, address, port, kind=socket.SOCK_STREAM):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = self.need().socket(family, kind)
        sock.settimeout(REPLY_S)
        sock.connect((address, port))
        return sock

    # ---- verdicts ----

    def pattern(self):
        """What the guest says of the memory that it keeps rewriting."""
        with self.connect(GUEST_IP, PATTERN_PORT) as sock, sock.makefile() as stream:
            return {key: int(value) for key, value in (w.split("=") for w in stream.readline().split())}

    def check_memory(self):
        first = self.pattern()
        last = until("the guest goes on writing",
                     lambda: (now := self.pattern())["writes"] > first["writes"] and now)
        assert first["errors"] == last["errors"] == 0, (first, last)

    def domains(self, host):
        """Names of the domains there, but for dom0."""
        lines = self.protection.must_run(host, "xl list").splitlines()[1:]
        return [line.split()[0] for line in lines if not line.startswith("Domain-0")]

    def domid(self, host):
        """The guest's, as text; None: it is not there."""
        status, said = self.lab.run(host, "xl domid guest")
        return said.strip() if status == 0 else None

    def runs_at(self, host):
        """The guest is the one domain there, and nothing half-built is beside it."""
        until(f"the guest is the only domain at {host}", lambda: self.domains(host) == ["guest"])

    def kill_primary(self):
        assert self.lab.kill("A"), "host A was off already"

    def check_took_over(self, talk):
        """The guest runs at B, for its clients as if nothing had happened."""
        self.protection.wait("B", lambda status: status and status["state"] == "active")
        talk.more()
        talk.finish()
        self.check_memory()
        self.runs_at("B")

    def check_protected_again(self, after=None):
        """Both sides say so, under a generation above `after`."""
        def agreed():
            a, b = self.protection.status("A"), self.protection.status("B")
            return is_protected(a) and b and b["state"] == "standby" and \
                a["generation"] == b["generation"] > (after or 0)

        until("protected again", agreed)


def run_cases(cases, **guest):
    """The main program of a test: pairs of a name and a function of the scene. Returns the exit status."""
    scene = Scene(**guest)
    return scene.run_tests([(name, functools.partial(scene.run, case)) for name, case in cases])
