# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole installation in one temporary directory: a switch, hosts with remusd or backupd, VMs, clients.

Two hosts are two directories. Everything is a child of the test, is bounded in time, and is ended by
its own pid."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

BUILD = os.environ.get("REMUS_BUILD", "build")
# Where the end of a lease is waited for: longer than a busy machine lets one of the hosts wait for its turn.
DETECTOR = {"detector_floor_ms": 2000, "detector_ceiling_ms": 6000}
LEASE_MARGIN_MS = 500
LEASE_OVER_S = 3  # after which a backup with these would have taken over
# Where B takes over in the end, but nobody is to lose patience before.
UNHURRIED = {"detector_floor_ms": 5000, "detector_ceiling_ms": 10000}
# Where nobody is to lose patience at all.
PATIENT = {"detector_floor_ms": 10000, "detector_ceiling_ms": 20000}
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))


class RigError(Exception):
    pass


def program(name):
    return os.path.abspath(os.path.join(BUILD, name))


def wait_for(what, condition, timeout=60.0, step=0.02):
    """Polls `condition` until it is true; returns its value. RigError names `what` otherwise."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise RigError(f"timed out after {timeout} s: {what}")
        time.sleep(step)


class Control:
    """One connection to a daemon's control socket."""

    def __init__(self, path, timeout=30):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.file = self.sock.makefile("rw", encoding="utf-8")

    def send(self, **request):
        self.file.write(json.dumps(request) + "\n")
        self.file.flush()

    def read(self):
        line = self.file.readline()
        if not line:
            raise RigError("control connection closed")
        return json.loads(line)

    def close(self):
        self.file.close()
        self.sock.close()


class Proc:
    """A child process with its output in a file."""

    def __init__(self, rig, name, argv, env=None):
        self.name = name
        self.log = os.path.join(rig.dir, f"{name}.log")
        full = dict(os.environ)
        full.update(env or {})
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=full)
        rig.procs.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def kill(self, sig=signal.SIGKILL):
        if self.alive():
            self.popen.send_signal(sig)

    def end(self, timeout=10):
        """SIGTERM and wait; SIGKILL if it does not listen. Returns the exit status."""
        self.kill(signal.SIGTERM)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            return None

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()


class Daemon(Proc):
    """remusd or backupd of one host, with its own state, control socket and VM directory."""

    def __init__(self, rig, kind, host, conf, env):
        self.kind, self.host, self.rig = kind, host, rig
        self.dir = rig.host_dir(host)
        self.socket = os.path.join(self.dir, f"{kind}.sock")
        self.state_dir = os.path.join(self.dir, f"{kind}-state")
        base = {"control_socket": self.socket, "state_dir": self.state_dir, "backend": "sim",
                "backend_conf": rig.sim_dir(host)}
        base.update(conf)
        self.conf, self.settings = os.path.join(self.dir, f"{kind}.conf"), base
        self.write_conf()
        self.start_env = env
        super().__init__(rig, f"{host}-{kind}", [program(kind), "--config", self.conf], env)
        wait_for(f"{self.name} answers", self.answers)

    def write_conf(self):
        with open(self.conf, "w", encoding="utf-8") as f:
            f.writelines(f"{k} = {v}\n" for k, v in self.settings.items())

    def restart(self):
        """Started again as an init system does it: same state, same address, nothing armed."""
        self.popen.wait()
        if self.kind == "backupd":
            self.settings["listen"] = self.address
            self.write_conf()
        super().__init__(self.rig, self.name, [program(self.kind), "--config", self.conf])
        wait_for(f"{self.name} answers", self.answers)

    def answers(self):
        if not self.alive():
            raise RigError(f"{self.name} ended:\n{self.text()}")
        try:
            return self.call("version")["ok"]
        except (OSError, RigError):
            return False

    def call(self, cmd, timeout=30, **fields):
        c = Control(self.socket, timeout)
        try:
            c.send(cmd=cmd, **fields)
            return c.read()
        finally:
            c.close()

    def status(self, vm):
        """The status object of `vm`, or None when the daemon does not know it (any more)."""
        reply = self.call("status", vm=vm)
        return reply["vms"][0] if reply.get("ok") and reply["vms"] else None

    def state(self, vm):
        status = self.status(vm)
        return status["state"] if status else None

    def events(self):
        return self.call("events").get("events", [])

    def saw(self, event):
        return [e for e in self.events() if e["event"] == event]

    def child_pid(self, vm):
        status = self.status(vm)
        return status["pid"] if status else None

    def kill_child(self, vm):
        os.kill(self.child_pid(vm), signal.SIGKILL)


class Vm(Proc):
    def __init__(self, rig, host, number, **opts):
        self.uuid = str(uuid.UUID(int=(0x5e << 96) + number, version=4))
        self.vm_name = f"vm{number}"
        self.ip = f"10.77.0.{100 + number}"
        self.mac = f"52:54:00:77:00:{number:02x}"
        self.rig = rig
        args = {"dir": rig.sim_dir(host), "uuid": self.uuid, "name": self.vm_name, "mem-mb": 16,
                "net": f"switch:{rig.switch_socket}", "mac": self.mac, "ip": self.ip,
                "ip6": f"fd77::{100 + number:x}"}
        args.update({k.replace("_", "-"): v for k, v in opts.items()})
        argv = [program("remus-simvm")]
        for k, v in args.items():
            argv += [f"--{k}", str(v)]
        super().__init__(rig, f"{host}-{self.vm_name}", argv)
        wait_for(f"{self.name} runs", lambda: rig.ask_vm(host, self.uuid, "info"))


class Rig:
    def __init__(self, switch=True):
        self.dir = tempfile.mkdtemp(prefix="remus-test.")
        self.procs = []
        self.switch_socket = os.path.join(self.dir, "switch.sock")
        self.frames_log = os.path.join(self.dir, "frames.jsonl")
        self.clients = 0
        if switch:
            self.switch = Proc(self, "switch", [program("remus-simswitch"), "--listen", self.switch_socket,
                                                "--log", self.frames_log])
            wait_for("switch listens", lambda: os.path.exists(self.switch_socket))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for p in reversed(self.procs):
            p.kill()
            p.popen.wait()
        self.kill_strays()
        if kind:
            print(f"# --- logs of {self.dir}")
            for p in self.procs:
                for line in p.text().splitlines()[:12] + ["..."] + p.text().splitlines()[12:][-25:]:
                    print(f"# {p.name}: {line}")
        if not os.environ.get("REMUS_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def kill_strays(self):
        """VMs that a backup activated are nobody's children: found by this rig's own directory in their
        command line."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if self.dir.encode() in f.read():
                        os.kill(int(pid), signal.SIGKILL)
            except OSError:
                pass

    def host_dir(self, host):
        path = os.path.join(self.dir, host)
        os.makedirs(path, exist_ok=True)
        return path

    def sim_dir(self, host):
        return os.path.join(self.host_dir(host), "sim")

    def remusd(self, host="A", env=None, **conf):
        base = {**DETECTOR, "reconnect_ms": 100, "verify_image": "yes"}
        base.update(conf)
        return Daemon(self, "remusd", host, base, env)

    def backupd(self, host="B", env=None, **conf):
        base = {"listen": "127.0.0.1:0", "net": f"switch:{self.switch_socket}", **DETECTOR,
                "lease_margin_ms": LEASE_MARGIN_MS}
        base.update(conf)
        d = Daemon(self, "backupd", host, base, env)
        d.address = d.call("version")["listen"]
        return d

    def vm(self, host="A", number=1, **opts):
        return Vm(self, host, number, **opts)

    def ask_vm(self, host, vm_uuid, request):
        """What the VM at `host` says to `request`, or None when there is none."""
        r = subprocess.run([program("remus-simvm"), "--dir", self.sim_dir(host), "--uuid", vm_uuid, "--ask", request],
                           capture_output=True, text=True, timeout=20, check=False)
        if r.returncode != 0:
            return None
        try:
            return json.loads(r.stdout)
        except ValueError:
            return None

    def client(self, vm, mode="counter", **opts):
        self.clients += 1
        n = self.clients
        args = {"switch": self.switch_socket, "mac": f"52:54:00:c1:00:{n:02x}", "ip": f"10.77.0.{n}",
                "target": vm.ip}
        args.update({k.replace("_", "-"): v for k, v in opts.items()})
        argv = [program("remus-simclient"), mode]
        for k, v in args.items():
            argv += [f"--{k}", str(v)]
        return Client(self, f"client{n}", argv, args["mac"])

    def power_cut(self, daemon, vm):
        """Daemon, VM child and VM end at one instant: none sees another one end and says goodbye."""
        pids = [daemon.child_pid(vm.uuid), daemon.pid, vm.pid]
        for sig in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                os.kill(pid, sig)

    def frames(self):
        with open(self.frames_log, encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def protected_pair(self, vm_opts=None, a_conf=None, b_conf=None, a_env=None, b_env=None, **protect):
        """Host A with a VM, host B, the VM protected; returns (remusd, backupd, vm)."""
        vm = self.vm(**(vm_opts or {}))
        b = self.backupd(env=b_env, **(b_conf or {}))
        a = self.remusd(env=a_env, **(a_conf or {}))
        reply = a.call("protect", vm=vm.uuid, to=b.address, **protect)
        if not reply.get("ok"):
            raise RigError(f"protect: {reply}")
        wait_for("protected", lambda: a.state(vm.uuid) == "protected", timeout=120)
        return a, b, vm


class Client(Proc):
    def __init__(self, rig, name, argv, mac):
        self.frames_log, self.mac = rig.frames_log, mac
        super().__init__(rig, name, argv)

    def is_served(self):
        """By more than an answer to its ARP request."""
        with open(self.frames_log, encoding="utf-8") as f:
            return f.read().count(f'"dst":"{self.mac}"') > 10

    def result(self, timeout=60):
        self.popen.wait(timeout)
        text = self.text()
        if "{" not in text:
            raise RigError(f"{self.name} printed no result:\n{text}")
        return json.loads(text[text.index("{"):])
