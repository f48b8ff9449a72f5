#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What cannot work is refused in one line that names the cause, with a hint and an exit status, and changes nothing."""
import atexit
import json
import os
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checks import Pair  # noqa: E402
from rig import UNHURRIED, RigError, program, wait_for  # noqa: E402
import stream_build  # noqa: E402
import stream_records  # noqa: E402
import tap  # noqa: E402

FAILED, USAGE, NO_DAEMON, UNKNOWN_VM = 1, 2, 3, 4


class Scene:
    """One protected VM, one that is not, and what must not change."""

    def __init__(self):
        self.pair = Pair(hold="backup", a_conf={"welcome_timeout_ms": 2000, **UNHURRIED},
                         b_conf={"replica_max_mb": 16, **UNHURRIED})
        atexit.register(self.pair.__exit__, None, None, None)
        self.a, self.b, self.rig = self.pair.a, self.pair.b, self.pair.rig
        self.free = self.rig.vm(number=2)
        self.large = self.rig.vm(number=3, mem_mb=32)
        self.before = self.look()

    def look(self):
        """Everything that a refused command must leave as it was."""
        known = {v["uuid"]: v["state"] for v in self.a.call("list")["vms"]}
        at_b = {v["uuid"]: v["state"] for v in self.b.call("list")["vms"]}
        files = {}
        for d in (self.a, self.b):
            for name in (n for n in os.listdir(d.state_dir) if not n.endswith(".lock")):
                with open(os.path.join(d.state_dir, name), "rb") as f:
                    files[d.name, name] = f.read()
        return known, at_b, files

    def check_unchanged(self):
        try:
            wait_for("all is as before", lambda: self.look() == self.before, timeout=20)
        except RigError:
            now, self.before = self.look(), self.look()
            raise AssertionError(f"changed: {now}") from None
        for vm in (self.free, self.large):
            result = self.rig.client(vm, mode="echo", count=3).result()
            assert result["received"] == 3, result


SCENES = []


def scene():
    if not SCENES:
        SCENES.append(Scene())
    return SCENES[0]


def ctl(*words, at=None):
    daemon = at or scene().a
    return subprocess.run([program("remusctl"), "--socket", daemon.socket, *words], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL, check=False)


def check_error(done, name, words):
    """`NAME: cause`, and at most one line more, the hint."""
    lines = done.stderr.splitlines()
    assert done.stdout == "" and 1 <= len(lines) <= 2, f"{done.stdout!r} {done.stderr!r}"
    assert lines[0].startswith(name), lines
    for word in words:
        assert word in lines[0], f"no {word!r} in {lines}"
    return lines


def refused(status, words, *argv, hint=True, at=None):
    done = ctl(*argv, at=at)
    assert done.returncode == status, (done.returncode, done.stderr)
    lines = check_error(done, "remusctl: ", words)
    if hint:
        assert len(lines) == 2 and lines[1].startswith("  hint: ") and len(lines[1]) > 12, lines
    scene().check_unchanged()


# ---- remusctl and a daemon that knows better ----

def test_unknown_vm():
    refused(UNKNOWN_VM, ["nosuchvm"], "protect", "nosuchvm", "--to", scene().b.address)
    refused(UNKNOWN_VM, ["nosuchvm"], "unprotect", "nosuchvm")
    refused(UNKNOWN_VM, ["nosuchvm"], "failover", "nosuchvm")
    refused(UNKNOWN_VM, ["nosuchvm"], "status", "nosuchvm")
    refused(UNKNOWN_VM, ["0000005e-ffff"], "protect", "0000005e-ffff-4000-8000-000000000001", "--to", scene().b.address)


def test_protected_already():
    refused(FAILED, [scene().pair.vm.vm_name, "already"], "protect", scene().pair.vm.vm_name, "--to", scene().b.address)


def test_not_protected():
    refused(UNKNOWN_VM, [scene().free.vm_name], "unprotect", scene().free.vm_name)
    refused(UNKNOWN_VM, [scene().free.vm_name], "failover", scene().free.vm_name)


def test_backup_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    refused(FAILED, [str(port), "refused"], "protect", scene().free.vm_name, "--to", f"127.0.0.1:{port}")


def test_backup_address():
    for bad in ("127.0.0.1:99999", "127.0.0.1:", "[::1", "host.invalid:7700", ":7700"):
        refused(FAILED, [bad], "protect", scene().free.vm_name, "--to", bad)


def test_epoch_length():
    for bad in ("0", "3600000", "-5", "25ms"):
        refused(USAGE, [bad, "range"], "protect", scene().free.vm_name, "--to", scene().b.address, f"--epoch={bad}")
    for bad in (0, 3600000, -1):
        reply = scene().a.call("protect", vm=scene().free.uuid, to=scene().b.address, epoch_ms=bad)
        assert reply["code"] == "bad-request" and str(bad) in reply["error"] and reply["hint"], reply
    scene().check_unchanged()


def test_hold():
    vm, to = scene().free.vm_name, scene().b.address
    refused(USAGE, ["none", "--unsafe"], "protect", vm, "--to", to, "--hold", "none")
    refused(USAGE, ["both"], "protect", vm, "--to", to, "--hold", "both")
    reply = scene().a.call("protect", vm=vm, to=to, hold="none")
    assert reply["code"] == "unsafe" and "none" in reply["error"] and reply["hint"], reply
    reply = scene().a.call("protect", vm=vm, to=to, hold="both")
    assert reply["code"] == "bad-request" and "both" in reply["error"], reply
    scene().check_unchanged()


def test_suspend():
    vm, to = scene().free.vm_name, scene().b.address
    refused(USAGE, ["hard"], "protect", vm, "--to", to, "--suspend", "hard")
    reply = scene().a.call("protect", vm=vm, to=to, suspend="hard")
    assert reply["code"] == "bad-request" and "hard" in reply["error"] and reply["hint"], reply
    refused(FAILED, ["no driver"], "protect", vm, "--to", to, "--suspend", "driver")
    scene().check_unchanged()


def test_replica_too_large():
    refused(FAILED, ["32 MiB", "replica_max_mb"], "protect", scene().large.vm_name, "--to", scene().b.address)


def test_no_daemon():
    done = subprocess.run([program("remusctl"), "--socket", os.path.join(scene().rig.dir, "none.sock"), "status"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == NO_DAEMON, done
    assert "none.sock" in check_error(done, "remusctl: ", [])[0]


def test_errors_as_json():
    done = ctl("--json", "protect", "nosuchvm", "--to", scene().b.address)
    reply = json.loads(done.stdout)
    assert done.returncode == UNKNOWN_VM and reply["ok"] is False and reply["code"] == "unknown-vm", done
    assert reply["error"] and reply["hint"], reply


# ---- a backup that is not one ----

class FakeBackup(threading.Thread):
    """Accepts one connection and answers whatever comes with `answer`; None: not at all."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.answer, self.got = answer, b""
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(10)
        self.address = "127.0.0.1:%d" % self.server.getsockname()[1]
        self.start()

    def run(self):
        conn, _ = self.server.accept()
        with conn:
            conn.settimeout(5)
            try:
                self.got = conn.recv(65536)
                if self.answer is not None:
                    conn.sendall(self.answer)
                while conn.recv(65536):
                    pass
            except OSError:
                pass
        self.server.close()


def reject(code, text, generation=0):
    payload = code.to_bytes(2, "little") + generation.to_bytes(8, "little") + stream_build.text(text)
    return stream_build.seal("REJECT", payload, 0, generation)


def test_backup_of_another_version():
    fake = FakeBackup(reject(1, b"protocol version 9 needed, 1..1 offered"))
    refused(FAILED, ["version 9"], "protect", scene().free.vm_name, "--to", fake.address)
    assert fake.got[4:6] == b"\x01\0", "no HELLO was sent"


def test_backup_that_is_none():
    for answer, word in ((b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "protocol"), (b"", "HELLO"),
                         (None, "HELLO"), (reject(6, b"what?"), "what?")):
        fake = FakeBackup(answer)
        refused(FAILED, [word], "protect", scene().free.vm_name, "--to", fake.address)


def talk_to_backup(data):
    """The first record that B answers `data` with."""
    host, port = scene().b.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as s:
        s.sendall(data)
        got = b""
        while chunk := s.recv(4096):
            got += chunk
    return stream_records.read_record(got, 0)[0]


def test_primary_of_another_version():
    kind, payload = stream_build.hello(version=(9, 12))
    record = talk_to_backup(stream_build.seal(kind, payload, 0))
    assert record.type == stream_build.TYPE["REJECT"], record
    assert record.payload[:2] == b"\x01\0" and b"9" in record.payload, record
    scene().check_unchanged()


def test_primary_of_another_hypervisor():
    kind, payload = stream_build.hello()
    record = talk_to_backup(stream_build.seal(kind, payload.replace(b"sim", b"xyz"), 0))
    assert record.type == stream_build.TYPE["REJECT"] and b"xyz" in record.payload, record
    scene().check_unchanged()


def test_primary_that_describes_another_vm():
    for desc, words in ((b"{", b"description"), (b'{"uuid": "u", "mem-mb": 16}', b"another size"),
                        (b'{"uuid": "u", "mem-mb": 32}', b"replica_max_mb")):
        kind, payload = stream_build.hello(count=32 << 8, desc=desc)
        record = talk_to_backup(stream_build.seal(kind, payload, 0))
        assert record.type == stream_build.TYPE["REJECT"] and words in record.payload, record
        scene().check_unchanged()


# ---- daemons that cannot start ----

def start(kind, **conf):
    """Runs a daemon that is expected to give up by itself."""
    path = os.path.join(scene().rig.dir, f"bad-{kind}.conf")
    base = {"control_socket": os.path.join(scene().rig.dir, "bad.sock"), "backend": "sim",
            "state_dir": os.path.join(scene().rig.dir, "bad-state"), "backend_conf": scene().rig.sim_dir("A")}
    if kind == "backupd":
        base["listen"] = "127.0.0.1:0"
    base.update(conf)
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(f"{k} = {v}\n" for k, v in base.items())
    return subprocess.run([program(kind), "--config", path], capture_output=True, text=True, timeout=30, check=False)


def no_start(words, kind, **conf):
    done = start(kind, **conf)
    assert done.returncode not in (0, None) and done.returncode > 0, done
    check_error(done, kind, words)
    scene().check_unchanged()


def test_unknown_key():
    for kind in ("remusd", "backupd"):
        path = os.path.join(scene().rig.dir, "wrong.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write("# a comment\n\nstate_dir = /tmp\nepoch_msec = 25\n")
        for more in ([], ["--check-config"]):
            done = subprocess.run([program(kind), "--config", path, *more], capture_output=True, text=True, timeout=30,
                                  check=False)
            assert done.returncode == 2, done
            check_error(done, kind + ": ", ["wrong.conf:4", "epoch_msec"])


def test_wrong_values():
    no_start(["detector_floor_ms"], "remusd", detector_floor_ms=5000, detector_ceiling_ms=100)
    no_start(["epoch_ms", "3600000"], "remusd", epoch_ms=3600000)
    no_start(["hold"], "remusd", hold="maybe")
    no_start(["suspend", "hard"], "remusd", suspend="hard")
    no_start(["nosuch"], "remusd", backend="nosuch")
    if not os.path.exists("/dev/xen/privcmd"):  # no Xen here, or none in the build
        no_start(["xen"], "remusd", backend="xen")
        no_start(["xen"], "backupd", backend="xen")
    no_start(["listen"], "backupd", listen="nowhere")
    no_start(["bogus"], "backupd", net="bogus:1")


def test_configuration_missing():
    done = subprocess.run([program("remusd"), "--config", "/nonexistent/remusd.conf"], capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 2, done
    check_error(done, "remusd: ", ["/nonexistent/remusd.conf"])


def test_control_socket_in_use():
    no_start([scene().a.socket], "remusd", control_socket=scene().a.socket)
    assert scene().a.answers()


def test_port_in_use():
    no_start([scene().b.address], "backupd", listen=scene().b.address)
    assert scene().b.answers()


def test_state_dir_not_writable():
    in_a_file = os.path.join(scene().a.conf, "state")  # root could write anywhere else
    no_start([in_a_file], "remusd", state_dir=in_a_file)
    no_start([in_a_file], "backupd", state_dir=in_a_file)


# ---- the control socket itself ----

def test_control_socket_garbage():
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(scene().a.socket)
        try:
            s.sendall(b"x" * (1 << 20))
            while s.recv(65536):
                pass
        except OSError:
            pass
    for line in (b"\n", b"{\n", b"[]\n", b"\xff\xfe\n", b'{"cmd": 7}\n', b'{"cmd": "nosuch"}\n',
                 b'{"cmd": "protect"}\n', b'{"cmd": "protect", "vm": ["x"], "to": {}}\n',
                 b'{"cmd": "unprotect", "vm": 3}\n', b'{"cmd": "status", "vm": 3}\n'):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(scene().a.socket)
            s.sendall(line)
            reply = json.loads(s.makefile().readline())
            assert reply["ok"] is False and reply["code"] == "bad-request" and reply["error"], (line, reply)
    scene().check_unchanged()


def test_protected_vm_went_on():
    """Through all of that."""
    pair = scene().pair
    pair.wait_epochs(10)
    assert pair.sessions() == 1 and pair.at_a()["state"] == "protected", pair.at_a()
    pair.rig.power_cut(pair.a, pair.vm)
    pair.wait_state(pair.b, "active")
    pair.check_image("B")


if __name__ == "__main__":
    NAMES = [n for n in globals() if n.startswith("test_")]
    sys.exit(tap.run([(n[5:].replace("_", " "), globals()[n]) for n in NAMES]))
