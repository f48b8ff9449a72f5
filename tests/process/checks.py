# SPDX-License-Identifier: GPL-2.0-or-later
"""What has to hold after a fault, and a protected VM behind a bad network to try it on."""
import os
import signal
import socket
import threading
import time

from proxy import Proxy
from rig import Rig, RigError, wait_for

VNET = bytes(10)
WHOLE_TEST_S = 3600  # of a client that check_client ends
AFTERWARDS_S = 1  # in which it goes on before


class Witness(threading.Thread):
    """Remembers which host a process belongs to: when the switch's log is read, it may be gone."""

    def __init__(self, rig):
        super().__init__(daemon=True)
        self.rig, self.host, self.stop = rig, {}, False
        self.start()

    def look(self):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as f:
                    words = f.read()
            except OSError:
                continue
            at = words.find(self.rig.dir + "/")
            if at >= 0:  # again each time: between fork and exec it looks like its parent
                name = words[at + len(self.rig.dir) + 1:].split("/")[0].split("\0")[0]
                self.host[int(pid)] = (name, "simvm" in words.split("\0")[0])

    def run(self):
        while not self.stop:
            self.look()
            time.sleep(0.1)


def state_files(daemon):
    return sorted(f for f in os.listdir(daemon.state_dir) if f.endswith(".state"))


def reachable(rig, vm):
    result = rig.client(vm, mode="echo", count=5).result()
    assert result["received"] == 5 and not result["corrupt"], result


class Pair:
    """Host A with a VM, host B, and between them the proxy. The VM is protected when it is made."""

    def __init__(self, vm_opts=None, a_conf=None, b_conf=None, a_env=None, b_env=None, protect=True, **how):
        self.rig = Rig()
        self.how = how
        self.proxy = self.witness = None
        try:
            self.witness = Witness(self.rig)
            self.vm = self.rig.vm(**(vm_opts or {}))
            self.b = self.rig.backupd(env=b_env, **(b_conf or {}))
            self.proxy = Proxy(self.b.address)
            self.a = self.rig.remusd(env=a_env, **(a_conf or {}))
            if protect:
                self.protect()
        except BaseException:
            self.__exit__(RigError, None, None)
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.witness:
            self.witness.stop = True
        if self.proxy:
            self.proxy.close()
        self.rig.__exit__(kind, value, trace)

    def protect(self):
        reply = self.a.call("protect", vm=self.vm.uuid, to=self.proxy.address, **self.how)
        assert reply.get("ok"), reply
        self.wait_protected()

    def client(self, **opts):
        """Asks until check_client ends it."""
        return self.rig.client(self.vm, seconds=WHOLE_TEST_S, **opts)

    # ---- what it looks like ----

    def at_a(self):
        return self.a.status(self.vm.uuid) or {}

    def at_b(self):
        return self.b.status(self.vm.uuid) or {}

    def info(self, host="A"):
        return self.rig.ask_vm(host, self.vm.uuid, "info")

    def generation(self):
        return self.at_a().get("generation", 0)

    def causes(self, daemon=None):
        status = (daemon or self.a).status(self.vm.uuid) or {}
        return {d["cause"] for d in status.get("degraded", [])}

    def said(self, daemon, event, text=""):
        return [e for e in daemon.saw(event) if text in e["text"] and e.get("uuid") == self.vm.uuid]

    def sessions(self):
        return len(self.said(self.a, "connected"))

    # ---- waiting ----

    def fresh_at_a(self):
        """Not what was so before this was asked."""
        asked = time.monotonic()

        def fresh():
            status = self.at_a()
            return status if (status.get("age_ms", 0) + 1) / 1000 < time.monotonic() - asked else None

        return wait_for("A has a status that is new", fresh)

    def wait_protected(self, timeout=60, above=0):
        """Protected, under a generation above `above`, as both daemons see it."""
        def agreed():
            a, b = self.at_a(), self.at_b()
            return a.get("state") == "protected" and b.get("state") == "standby" and \
                above < a["generation"] == b["generation"]

        wait_for("protected", agreed, timeout)

    def wait_epochs(self, count=10, timeout=60):
        """Returns when `count` more epochs have been sealed."""
        start = self.fresh_at_a().get("epochs_sealed", 0)
        wait_for("epochs are sealed", lambda: self.at_a().get("epochs_sealed", 0) >= start + count, timeout)

    def wait_state(self, daemon, state, timeout=60):
        wait_for(f"{daemon.name}: {state}", lambda: daemon.state(self.vm.uuid) == state, timeout)

    def wait_gone_at_a(self, timeout=60):
        wait_for("the stale copy is destroyed", lambda: not self.vm.alive(), timeout)
        wait_for("remusd lets go of it", lambda: self.a.status(self.vm.uuid) is None, timeout)

    def wait_runs(self, host="A"):
        """Not at one look: a protected VM is stopped for a moment in every epoch."""
        wait_for(f"the VM runs at {host}", lambda: (self.info(host) or {}).get("running"))

    # ---- verdicts ----

    def check_image(self, host="B"):
        report = self.rig.ask_vm(host, self.vm.uuid, "check")
        assert report and report["ok"] and report["step"] + report["cursor"] > 0, f"pattern check at {host}: {report}"

    def check_silent_at_a(self):
        """The copy at A does not run, whatever the link is like."""
        info = self.info("A")
        assert info is None or not info["running"], f"the copy at A runs: {info}"

    def check_one_voice(self):
        """After the copy at B has spoken, nothing at A speaks for the guest."""
        side, first_at_b = {}, None
        self.witness.look()
        for line in self.rig.frames():
            if line.get("event") == "open":
                side[line["port"]] = self.witness.host.get(line["pid"], (f"pid {line['pid']}", False))
            if line.get("src") != self.vm.mac:
                continue
            host, is_vm = side[line["port"]]
            if host == "B" and is_vm and first_at_b is None:
                first_at_b = line["mono_ns"]
            assert not (first_at_b and host != "B"), f"{host} speaks {line['mono_ns'] - first_at_b} ns after B: {line}"
        return first_at_b

    def failed_over(self):
        return bool(self.said(self.b, "takeover"))


def check_client(client, timeout=180):
    """No answered increment is lost, none is counted twice, and the last read, now, is answered."""
    wait_for("the client is served", client.is_served)
    time.sleep(AFTERWARDS_S)
    client.kill(signal.SIGTERM)
    result = client.result(timeout)
    assert client.popen.returncode == 0 and not result["violations"], result
    return result


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


class Station:
    """A host on the switch, in Python: whole frames with their vnet header."""

    def __init__(self, rig, mac="52:54:00:c1:01:01"):
        self.mac = bytes.fromhex(mac.replace(":", ""))
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sock.connect(rig.switch_socket)

    def send(self, dst, ethertype, payload, tag=None, vnet=VNET):
        """`dst` and the addresses are six octets; `tag` is a VLAN number."""
        vlan = b"" if tag is None else b"\x81\x00" + tag.to_bytes(2, "big")
        self.sock.send(vnet + dst + self.mac + vlan + ethertype.to_bytes(2, "big") + payload)

    def receive(self, timeout):
        """The next frame with its vnet header, or None."""
        self.sock.settimeout(max(timeout, 0.001))
        try:
            return self.sock.recv(1 << 17)
        except TimeoutError:
            return None

    def close(self):
        self.sock.close()
