#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole path over real interfaces: the guest's TAP at A, backupd's TAP at B, a bridge, and the kernel's own
stack as the client, in a network namespace of this test."""
import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import Rig, wait_for  # noqa: E402
import tap  # noqa: E402

CLONE_NEWNET = 0x40000000


def sh(*commands):
    for command in commands:
        subprocess.run(command.split(), check=True, capture_output=True, timeout=20)


def enter_namespace():
    if os.geteuid() != 0:
        raise tap.SkipTest("not root")
    if not os.path.exists("/dev/net/tun"):
        raise tap.SkipTest("no /dev/net/tun")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise tap.SkipTest("no network namespace to be had")
    try:
        sh("ip link set lo up", "ip link add br0 type bridge", "ip addr add 10.77.0.1/24 dev br0", "ip link set br0 up")
        for name in ("vm-a", "rem0"):
            sh(f"ip tuntap add {name} mode tap vnet_hdr", f"ip link set {name} master br0", f"ip link set {name} up")
    except subprocess.CalledProcessError as failed:
        raise tap.SkipTest(f"{failed.cmd}: {failed.stderr.decode().strip()}") from failed


class Counter:
    """Increments the guest's counter, one request at a time, and checks that no answered one is lost."""

    def __init__(self, vm):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(0.1)
        self.where, self.request, self.value = (vm.ip, 7000), 0, None

    def step(self, patience=20):
        self.request += 1
        ask = b"I" + struct.pack("<QQ", 77, self.request)
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                self.sock.sendto(ask, self.where)
                answer = self.sock.recv(2048)
            except (TimeoutError, OSError):
                continue
            kind, client, request, value = struct.unpack("<cQQQ", answer)
            assert (kind, client) == (b"C", 77), answer
            if request == self.request:
                assert self.value is None or value == self.value + 1, f"{self.value} was followed by {value}"
                self.value = value
                return
        raise AssertionError(f"request {self.request} was not answered in {patience} s")


def two_bridges():
    """As two hosts have them, joined by a switch that the client is on. Nothing speaks by itself."""
    enter_namespace()
    with contextlib.suppress(subprocess.CalledProcessError):
        sh("ip link set vm-a nomaster", "ip link set rem0 nomaster")
    for host, port in (("a", "vm-a"), ("b", "rem0")):
        if os.path.exists(f"/sys/class/net/br-{host}"):
            sh(f"ip link set {port} master br-{host}")
            continue
        sh(f"ip link add br-{host} type bridge", f"ip link add up-{host} type veth peer name sw-{host}",
           f"ip link set sw-{host} master br0", f"ip link set up-{host} master br-{host}",
           f"ip link set {port} master br-{host}",
           *(f"ip link set {name} up" for name in (f"br-{host}", f"up-{host}", f"sw-{host}")))


def mac_of(vm):
    shown = subprocess.run(["ip", "neigh", "show", "to", vm.ip, "dev", "br0"], capture_output=True, text=True, check=True)
    return shown.stdout.split("lladdr ")[1].split()[0]


def wait_for_answer(counter, what):
    try:
        counter.step()
    except AssertionError as late:
        raise AssertionError(f"{what}: {late}; the switch believes:\n" + subprocess.run(
            ["bridge", "fdb", "show", "br", "br0"], capture_output=True, text=True, check=False).stdout) from late


def over_taps(rig):
    """The guest at A and what counts with it, and both daemons."""
    vm = rig.vm(net="tap:vm-a")
    counter = Counter(vm)
    counter.step()
    return vm, counter, rig.remusd(), rig.backupd(net="tap:rem%d")


def protect(a, b, vm, hold):
    reply = a.call("protect", vm=vm.uuid, to=b.address, hold=hold)
    assert reply["ok"], reply
    wait_for("protected", lambda: a.state(vm.uuid) == "protected")


def silent_guest_is_found(hold):
    """A guest that has said nothing since it moved: the switch learns its place all the same."""
    two_bridges()
    with Rig(switch=False) as rig:
        vm, counter, a, b = over_taps(rig)
        sh(f"ip neigh replace {vm.ip} lladdr {mac_of(vm)} dev br0 nud permanent")  # so that nobody asks by broadcast
        for turn in range(2):
            protect(a, b, vm, hold)
            if turn == 0:
                wait_for_answer(counter, "after protect")
            assert a.call("unprotect", vm=vm.uuid)["ok"]
            wait_for_answer(counter, "after unprotect")


def survives(hold):
    enter_namespace()
    with Rig(switch=False) as rig:
        vm, counter, a, b = over_taps(rig)
        protect(a, b, vm, hold)
        for _ in range(30):
            counter.step()
        rig.power_cut(a, vm)
        for _ in range(30):
            counter.step()
        wait_for("B says so", lambda: b.state(vm.uuid) == "active")
        report = rig.ask_vm("B", vm.uuid, "check")
        assert report and report["ok"], report


def unprotected_again():
    enter_namespace()
    with Rig(switch=False) as rig:
        vm = rig.vm(net="tap:vm-a")
        counter = Counter(vm)
        b = rig.backupd(net="tap:rem%d")
        a = rig.remusd()
        for _ in range(2):
            assert a.call("protect", vm=vm.uuid, to=b.address, hold="backup")["ok"]
            wait_for("protected", lambda: a.state(vm.uuid) == "protected")
            for _ in range(10):
                counter.step()
            assert a.call("unprotect", vm=vm.uuid)["ok"]
            for _ in range(10):
                counter.step()


if __name__ == "__main__":
    sys.exit(tap.run([("outlives its host, frames held at the backup", lambda: survives("backup")),
                      ("outlives its host, frames held at the primary", lambda: survives("primary")),
                      ("the guest's own network is back after unprotect", unprotected_again),
                      ("a guest that says nothing is found, frames held at the backup",
                       lambda: silent_guest_is_found("backup")),
                      ("a guest that says nothing is found, frames held at the primary",
                       lambda: silent_guest_is_found("primary"))]))
