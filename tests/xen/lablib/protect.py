# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine on the laboratory's hosts: remusd on one, backupd on the other, a guest under protection."""

import json
import os
import shlex
import socket
import subprocess
from pathlib import Path

from lablib import transfer
from lablib.layout import GUEST_IP, HOSTS, NUMBERED_PORT, SOURCES, LabError, host_ip
from lablib.waiting import poll

DAEMONS = ("remusd", "backupd")
PROGRAMS = (*DAEMONS, "remusctl")
PROGRAM_DIR, CONF_DIR, RUN_DIR = "/usr/sbin", "/etc/remus", "/run/remus"
HOTPLUG, HOTPLUG_DIR = "vif-remus", "/etc/xen/scripts"
STATE_DIR = {"remusd": f"{RUN_DIR}/primary", "backupd": f"{RUN_DIR}/backup"}
# `tested`: nothing is taken for dead that an emulated host on a busy machine is merely late with.
# `measured`: the shortest that a quiet machine keeps without taking a host for dead that is not (docs/xen.md).
TIMINGS = {"measured": {"stop_timeout_ms": 450, "detector_floor_ms": 500, "lease_margin_ms": 50},
           "tested": {"epoch_ms": 200, "stop_timeout_ms": 6000, "detector_floor_ms": 8000,
                      "detector_ceiling_ms": 20000, "beat_ms": 100, "connect_timeout_ms": 30000}}
START_LIMIT_S, GUEST_LIMIT_S, PROTECT_LIMIT_S = 90, 240, 240
REPLY_LIMIT_S, CTL_LIMIT_S = 120, 180
POLL_S = 0.3
CONNECT_LIMIT_S = 3


def default_build():
    return Path(os.environ.get("REMUS_BUILD", SOURCES.parent.parent / "build"))


def is_protected(status):
    return status is not None and status["protected"] and not status["degraded"]


class Protection:
    """One VM protected from `primary` to `backup`. All that a method waits for is bounded in time."""

    def __init__(self, lab, build=None, primary="A", backup="B"):
        self.lab, self.build = lab, Path(build or default_build()).resolve()
        self.primary, self.backup = primary, backup
        self.vm = "guest"
        self.settings = {}  # of each daemon, from start()

    # ---- programs ----

    def install(self, hosts=HOSTS):
        """The programs of the build, with the libraries that dom0 has not got."""
        missing = [name for name in (*PROGRAMS, HOTPLUG) if not (self.build / name).exists()]
        if missing:
            raise LabError(f"{', '.join(missing)} not in {self.build}; run: make")
        for host in hosts:
            transfer.put(self.lab, host, [self.build / name for name in PROGRAMS], PROGRAM_DIR,
                         with_libraries=True)
            transfer.put(self.lab, host, [self.build / HOTPLUG], HOTPLUG_DIR, with_libraries=True)

    def known_keys(self, daemon):
        text = subprocess.run([self.build / daemon, "--print-defaults"], capture_output=True, text=True,
                              check=True, timeout=CTL_LIMIT_S).stdout
        return {line.split("=")[0].strip() for line in text.splitlines() if not line.startswith("#")}

    def configurations(self, settings):
        """Daemon to its settings: each key goes to the daemons that know it."""
        known = {daemon: self.known_keys(daemon) for daemon in DAEMONS}
        unknown = set(settings) - set.union(*known.values())
        if unknown:
            raise LabError(f"neither daemon has a setting {', '.join(sorted(unknown))}")
        return {daemon: {"backend": "xen", "state_dir": STATE_DIR[daemon]}
                | {key: value for key, value in settings.items() if key in known[daemon]}
                for daemon in DAEMONS}

    def start(self, timing="tested", hold="backup", **conf):
        """backupd on the backup, remusd on the primary. conf: settings of either, or of both."""
        settings = {"net": "packet:xenbr0", "hold": hold} | TIMINGS[timing] | conf
        self.settings = self.configurations(settings)
        for daemon in reversed(DAEMONS):
            self.configure(daemon)
            self.start_daemon(daemon)

    def host_of(self, daemon):
        return self.primary if daemon == "remusd" else self.backup

    def configure(self, daemon):
        text = "".join(f"{key} = {value}\n" for key, value in self.settings[daemon].items())
        self.must_run(self.host_of(daemon), f"mkdir -p {CONF_DIR} {RUN_DIR}; "
                                            f"printf %s {shlex.quote(text)} >{CONF_DIR}/{daemon}.conf")

    def start_daemon(self, daemon, **environment):
        """Again as well, after it was ended or killed: same settings, same records."""
        host, run = self.host_of(daemon), f"{RUN_DIR}/{daemon}"
        variables = " ".join(f"{key}={shlex.quote(value)}" for key, value in environment.items())
        self.must_run(host, f"{variables} setsid {daemon} </dev/null >>{run}.log 2>&1 & echo $! >{run}.pid")
        self.until(f"{daemon} answers", lambda: self.answers(daemon), START_LIMIT_S)

    def answers(self, daemon):
        asked = self.ctl(self.host_of(daemon), "version")["daemons"]
        return any(one.get("daemon") == daemon for one in asked)

    def end_daemon(self, daemon, signal="TERM"):
        host, run = self.host_of(daemon), f"{RUN_DIR}/{daemon}"
        self.must_run(host, f"kill -{signal} $(cat {run}.pid)")
        self.until(f"{daemon} ends",
                   lambda: self.lab.run(host, f"kill -0 $(cat {run}.pid) 2>/dev/null")[0] != 0, START_LIMIT_S)

    def pids(self, host, name):
        """Of what is called so there; all that a daemon starts has its command line, so that `pidof` finds too much."""
        return self.lab.run(host, f"grep -lsx {name} /proc/[0-9]*/comm | cut -d/ -f3")[1].split()

    def kill_all(self, daemon):
        """The daemon and its VMs' processes, all at once."""
        host = self.host_of(daemon)
        self.must_run(host, " ".join(["kill -9", *self.pids(host, daemon)]))

    def stop(self):
        """Ends the daemons that run; the guest runs on where it is."""
        for daemon in DAEMONS:
            host = self.host_of(daemon)
            if self.lab.machine(host).alive() and self.pids(host, daemon):
                self.end_daemon(daemon)

    def log(self, daemon):
        return self.lab.run(self.host_of(daemon), f"cat {RUN_DIR}/{daemon}.log")[1]

    # ---- the guest and its protection ----

    def guest(self, host="A", **settings):
        """Starts a guest (keys: dom0/lab-guest) and waits until it answers from outside."""
        words = [shlex.quote(f"{key}={value}") for key, value in ({"script": HOTPLUG} | settings).items()]
        self.must_run(host, " ".join(["lab-guest", *words]))
        self.vm = settings.get("name", self.vm)
        address = settings.get("ip", GUEST_IP)
        self.until("the guest answers", lambda: self.reachable(address), GUEST_LIMIT_S)

    def reachable(self, address=GUEST_IP, port=NUMBERED_PORT):
        """Whether a TCP connection from the outer machine comes about."""
        with self.lab.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.settimeout(CONNECT_LIMIT_S)
            try:
                sock.connect((address, port))
                return True
            except OSError:
                return False

    def protect(self, epoch_ms=None, hold=None, limit_s=PROTECT_LIMIT_S, suspend=None):
        """Returns when the first epoch is sealed."""
        reply = self.ask_protect(epoch_ms, hold, suspend)
        if not reply.get("ok"):
            raise LabError(f"protect: {reply}")
        self.wait(self.primary, is_protected, limit_s)

    def ask_protect(self, epoch_ms=None, hold=None, suspend=None):
        """remusctl's reply, whatever it is; the first copy has only begun then."""
        options = ["--epoch", str(epoch_ms)] if epoch_ms else []
        options += ["--hold", hold] if hold else []
        options += ["--suspend", suspend] if suspend else []
        return self.ctl(self.primary, "protect", self.vm, "--to", host_ip(self.backup, "repl"), *options)

    def unprotect(self, *options):
        reply = self.ctl(self.primary, "unprotect", self.vm, *options)
        if not reply.get("ok"):
            raise LabError(f"unprotect: {reply}")

    # ---- questions ----

    def must_run(self, host, command, limit_s=CTL_LIMIT_S):
        status, text = self.lab.run(host, command, limit_s)
        if status != 0:
            raise LabError(f"host {host}: {command}: status {status}: {text}")
        return text

    def remusctl(self, host, *words):
        """What remusctl --json wrote on standard output."""
        said = []
        command = shlex.join(["remusctl", "--json", "--timeout", str(REPLY_LIMIT_S), *words])
        self.lab.command(self.lab.running(host), command, out=said.append, limit_s=CTL_LIMIT_S)
        return b"".join(said).decode(errors="replace")

    def ctl(self, host, *words):
        """The reply to a command, as docs/control.md has it; refusals, too."""
        text = self.remusctl(host, *words)
        try:
            return json.loads(text)
        except ValueError:
            raise LabError(f"host {host}: remusctl {shlex.join(words)} printed: {text}") from None

    def status(self, host):
        """The VM's status object there; None: the daemon there does not know it."""
        vms = self.ctl(host, "status", self.vm).get("vms")
        return vms[0] if vms else None

    def events(self, host, name=None):
        """What happened there, oldest first; name: only events so called."""
        events = [json.loads(line) for line in self.remusctl(host, "events").splitlines()]
        return [event for event in events if name in (None, event.get("event"))]

    def wait(self, host, predicate, limit_s=PROTECT_LIMIT_S):
        """Until predicate(status of the VM at host, or None) is true; that status is returned."""
        return self.until(f"status at {host}", lambda: self.look(host, predicate), limit_s)[0]

    def look(self, host, predicate):
        status = self.status(host)
        return (status,) if predicate(status) else None

    @staticmethod
    def until(what, check, limit_s):
        """Polls until `check()` is true, and returns its value."""
        value = poll(check, limit_s, POLL_S)
        if not value:
            raise LabError(f"not within {limit_s} s: {what}")
        return value
