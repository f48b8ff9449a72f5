# SPDX-License-Identifier: GPL-2.0-or-later
"""The laboratory as an object: what the command `lab` does, for tests written in Python."""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from lablib import agent, cache, images, procs
from lablib.layout import GUEST, GUEST_IP, HOSTS, LINKS, LabError, Unavailable, digest, make_run_dir, run_dir
from lablib.machine import Machine, Mode
from lablib.network import Namespace

BOOT_LIMIT_S = 300      # for each CPU of a host: they take turns
BOOTED = "booted"       # the snapshot that `up` makes for the next `up`
READY_POLL_S = 0.5
RUN_LIMIT_S = 60


def check_memory(mode):
    """The hosts touch all of theirs, and a machine that runs out of memory ends something else."""
    needed = len(HOSTS) * mode.memory_mb
    lines = [line.split() for line in Path("/proc/meminfo").read_text().splitlines()]
    has = {words[0]: int(words[1]) // 1024 for words in lines}
    if has["MemTotal:"] < needed:
        raise Unavailable(f"the hosts need {needed} MB of memory, the machine has {has['MemTotal:']}")
    if has["MemAvailable:"] < needed:
        raise LabError(f"the hosts need {needed} MB of memory, {has['MemAvailable:']} are free")


class Laboratory:
    def __init__(self, say=lambda text: None):
        self.directory, self.say = run_dir(), say
        self.namespace = Namespace(self.directory)
        self.state_file = self.directory / "lab.json"

    # ---- what is there ----

    def is_up(self):
        return self.state_file.exists() and self.namespace.exists()

    def state(self):
        if not self.is_up():
            raise LabError("the laboratory is not up; start it with: lab up")
        return json.loads(self.state_file.read_text())

    def machines(self):
        """Host name to Machine, for the build and mode that were started."""
        state = self.state()
        build = images.Build.from_paths(state["build"], state["root"])
        mode = Mode(state["memory_mb"], state["icount"], state["cpus"], state.get("paced", False))
        return {host: Machine(host, self.directory, build, mode) for host in HOSTS}

    def machine(self, host):
        if host not in HOSTS:
            raise LabError(f"no host {host!r}; the hosts are {' and '.join(HOSTS)}")
        return self.machines()[host]

    def running(self, host):
        machine = self.machine(host)
        if not machine.alive():
            raise LabError(f"host {host} is off; start it with: lab up")
        return machine

    @contextmanager
    def changing(self):
        """One command at a time changes what runs."""
        make_run_dir(self.directory)
        with open(self.directory / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LabError("another lab command is at work; try again when it is done") from None
            yield

    # ---- up and down ----

    def up(self, mode=Mode(), fresh=False, owner=0):
        """Starts the hosts that do not run; fresh: boots them although there is a snapshot."""
        build = images.ensure(self.say)
        with self.changing():
            if self.is_up():
                return self.complete(mode, fresh)
            try:
                self.take_down()
                check_memory(mode)
                self.namespace.start(owner)
                self.state_file.write_text(json.dumps(
                    {"build": str(build.path), "root": str(build.root.path),
                     "memory_mb": mode.memory_mb, "icount": mode.icount, "cpus": mode.cpus,
                     "paced": mode.paced}))
                self.start_hosts(list(self.machines().values()), fresh)
            except BaseException:
                self.take_down()
                raise

    def complete(self, mode, fresh):
        """Starts what is off in a running laboratory; the other host is not disturbed."""
        machines = self.machines().values()
        running = next(iter(machines)).mode.name()
        if running != mode.name():
            raise LabError(f"the laboratory runs as {running}, not {mode.name()}; end it with: lab down")
        missing = [m for m in machines if not m.alive()]
        try:
            if missing:
                self.start_hosts(missing, fresh)
        except BaseException:
            for machine in missing:
                machine.kill()
            raise

    def start_hosts(self, missing, fresh):
        place = self.snapshot_dir(BOOTED)
        if place.exists() and not fresh:
            return self.load(missing, place)
        self.say(f"booting {', '.join(m.name for m in missing)}")
        with self.namespace.entered():
            for machine in missing:
                machine.start()
        for machine in missing:
            self.wait_booted(machine)
        if len(missing) == len(HOSTS):
            self.save(BOOTED)

    def wait_booted(self, machine):
        deadline = time.monotonic() + BOOT_LIMIT_S * machine.mode.cpus
        while True:
            try:
                return self.command(machine, "true", limit_s=agent.CONNECT_LIMIT_S)
            except LabError:
                if not machine.alive() or time.monotonic() > deadline:
                    raise LabError(f"host {machine.name} did not boot; its console is in "
                                   f"{machine.log}") from None
            time.sleep(READY_POLL_S)

    def down(self):
        """True if there was something to end."""
        if not self.directory.exists():
            return False
        with self.changing():
            return self.take_down()

    def take_down(self):
        ended = [procs.end(self.directory / f"{host}.pid") for host in HOSTS]
        ended.append(procs.end(self.namespace.pidfile))
        self.clear()
        return any(ended)

    def clear(self):
        """Logs stay until the next start, for whoever wants to know what happened."""
        self.state_file.unlink(missing_ok=True)
        for kind in ("pid", "qmp", "console"):
            for path in self.directory.glob(f"*.{kind}"):
                path.unlink()
        shutil.rmtree(self.directory / "snapshots", ignore_errors=True)

    # ---- snapshots ----

    def snapshot_dir(self, name, own=False):
        """own: it ends with the laboratory, for what holds programs of this run."""
        if own:
            return self.directory / "snapshots" / name
        if not name.replace("-", "").replace("_", "").isalnum():
            raise LabError(f"a snapshot's name is letters, digits, - and _, not {name!r}")
        machines = self.machines()
        key = digest([repr([m.arguments() for m in machines.values()]).encode()])
        mode = machines[HOSTS[0]].mode.name()
        return machines[HOSTS[0]].build.path / f"snapshots-{mode}-{key}" / name

    def snapshot(self, name, own=False):
        with self.changing():
            for host in HOSTS:
                self.running(host)
            self.save(name, own)

    def save(self, name, own=False):
        """Both hosts of one moment; they run on afterwards."""
        self.say(f"writing snapshot {name}")
        place, machines = self.snapshot_dir(name, own), self.machines().values()
        draft = place.with_name(f"{name}.part{os.getpid()}")
        draft.mkdir(parents=True)
        try:
            for machine in machines:
                machine.stop()
            for machine in machines:
                machine.save(draft / machine.name)
            with cache.held():  # another laboratory may write the same
                shutil.rmtree(place, ignore_errors=True)
                draft.rename(place)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            for machine in machines:
                machine.go_on()

    def forget(self, name):
        """Deletes a snapshot."""
        shutil.rmtree(self.existing(name))

    def existing(self, name):
        places = [self.snapshot_dir(name, own) for own in (True, False)]
        found = [place for place in places if place.exists()]
        if not found:
            raise LabError(f"no snapshot {name} of this build and mode")
        return found[0]

    def restore(self, name):
        """Puts both hosts back to that moment, whatever they do now."""
        with self.changing():
            place = self.existing(name)
            machines = list(self.machines().values())
            for machine in machines:
                machine.kill()
            self.load(machines, place)

    def load(self, machines, place):
        self.say(f"loading {', '.join(m.name for m in machines)} from snapshot {place.name}")
        try:
            with self.namespace.entered():
                for machine in machines:
                    machine.start(place / machine.name)
            for machine in machines:
                machine.finish_load()
        except LabError:
            for machine in machines:
                machine.kill()
            raise
        for machine in machines:
            for link in LINKS:
                machine.set_link(link, True)
            machine.go_on()
        for machine in machines:
            self.wait_booted(machine)

    # ---- faults ----

    def kill(self, host):
        return self.machine(host).kill()

    def replace(self, host, lacking):
        """Another machine in its place, booted; its CPU has not got what is `lacking`."""
        machine = self.machine(host)
        machine.lacking = lacking
        with self.changing():
            machine.kill()
            with self.namespace.entered():
                machine.start()
            self.wait_booted(machine)

    def set_link(self, link, up):
        """link: front or repl, at both hosts, or front:A and so on at one."""
        name, _, host = link.partition(":")
        if name not in LINKS or host not in ("", *HOSTS):
            raise LabError(f"no link {link!r}; links are {', '.join(LINKS)}, or with a host, {LINKS[0]}:A")
        chosen = [self.running(host)] if host else [m for m in self.machines().values() if m.alive()]
        for machine in chosen:
            machine.set_link(name, up)

    def signal(self, host, number):
        procs.send(self.running(host).pidfile, number)

    # ---- commands and files ----

    def command(self, machine, command, stdin=None, out=None, err=None, limit_s=RUN_LIMIT_S):
        with self.namespace.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        with sock:
            channel = agent.Channel(sock, machine.name, machine.alive, limit_s)
            return channel.run(command, stdin, out or bytes, err or bytes)

    def run(self, host, command, limit_s=RUN_LIMIT_S, stdin=None):
        """Runs a shell command in a host's dom0: (exit status, what it wrote, both kinds, as text)."""
        parts = []
        status = self.command(self.running(host), command, stdin, parts.append, parts.append, limit_s)
        return status, b"".join(parts).decode(errors="replace")

    def guest_command(self, command, stdin=None, out=None, err=None, limit_s=RUN_LIMIT_S,
                      address=GUEST_IP):
        with self.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            channel = agent.Channel(sock, GUEST, self.is_up, limit_s, address)
            return channel.run(command, stdin, out or bytes, err or bytes)

    def run_guest(self, command, limit_s=RUN_LIMIT_S, stdin=None, address=GUEST_IP):
        """As run, in the guest, over its interface and wherever it is."""
        parts = []
        status = self.guest_command(command, stdin, parts.append, parts.append, limit_s, address)
        return status, b"".join(parts).decode(errors="replace")

    def socket(self, family, kind, protocol=0):
        """A socket of the outer machine on the front segment."""
        with self.namespace.entered():
            return socket.socket(family, kind, protocol)

    def client_environment(self):
        """With busybox behind the outer machine's own programs: it may have no ping."""
        tools = self.machine(HOSTS[0]).build.root.path / "bin"
        return dict(os.environ, PATH=f"{os.environ.get('PATH', os.defpath)}:{tools}")

    def client(self, argv, **options):
        """A process of the outer machine on the front segment (subprocess.Popen)."""
        with self.namespace.entered():
            return subprocess.Popen(argv, env=self.client_environment(), **options)
