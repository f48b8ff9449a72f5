#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""TAP and packet ports against the kernel, in a network namespace of this test's own.

A port must be transparent: what one port_pump writes, the other reads, with offloads and VLAN tags.
"""

import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import subprocess
import time
from pathlib import Path

import tap

PUMP = Path(os.environ["REMUS_BUILD"]) / "helpers" / "port_pump"
CLONE_NEWNET = 0x40000000
SIOCGIFHWADDR = 0x8927
PATIENCE_S = 20
QUIET_S = 0.3

MAC_A, MAC_B = bytes.fromhex("525400000001"), bytes.fromhex("525400000002")
IP_A, IP_B, IP_HOST = (socket.inet_aton(a) for a in ("10.9.0.1", "10.9.0.2", "10.9.0.254"))
TYPE_TEST = 0x88B5
NEEDS_CSUM, GSO_TCPV4 = 1, 1
PLAIN = bytes(10)
IN_NAMESPACE = False


def sh(command):
    subprocess.run(command.split(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def enter_namespace():
    global IN_NAMESPACE
    if IN_NAMESPACE:
        return
    if os.geteuid() != 0:
        raise tap.SkipTest("not root")
    if not os.path.exists("/dev/net/tun"):
        raise tap.SkipTest("no /dev/net/tun")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise tap.SkipTest("no right to make a network namespace: " + os.strerror(ctypes.get_errno()))
    quiet = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
    if quiet.exists():  # otherwise the kernel chats on every new interface
        quiet.write_text("1")
    IN_NAMESPACE = True


def make(*commands):
    """Sets up interfaces, or skips where the kernel has no such kind."""
    enter_namespace()
    for command in commands:
        try:
            sh(command)
        except subprocess.CalledProcessError as failed:
            raise tap.SkipTest(f"{command}: {failed.stderr.decode().strip()}")


def interface_mac(name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return fcntl.ioctl(sock, SIOCGIFHWADDR, struct.pack("256s", name.encode()))[18:24]


class Pump:
    """A port in a process of its own."""

    def __init__(self, spec):
        self.process = subprocess.Popen([PUMP, spec], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, bufsize=0)
        said = self.process.stderr.readline()
        assert said == b"ready\n", said + self.process.stderr.read()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        status = self.process.wait(PATIENCE_S)
        assert status == 0, self.process.stderr.read().decode()

    def write(self, frame):
        data = struct.pack("=I", len(frame)) + frame
        while data:
            data = data[self.process.stdin.write(data):]

    def read_exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.process.stdout.read(count - len(data))
            assert piece, "the pump ended"
            data += piece
        return data

    def read(self, patience=PATIENCE_S):
        """The next frame, an errno for a refused one, or None after `patience` seconds."""
        if not select.select([self.process.stdout], [], [], patience)[0]:
            return None
        length, = struct.unpack("=I", self.read_exactly(4))
        if length == 0:
            return struct.unpack("=I", self.read_exactly(4))[0]
        return self.read_exactly(length)

    def expect(self, frame, header=len(PLAIN)):
        """Reads on until `frame` comes; `header` octets at its start are the caller's to judge."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            got = self.read(deadline - time.monotonic())
            if isinstance(got, bytes) and got[header:] == frame[header:]:
                return got
        raise AssertionError(f"frame of {len(frame)} octets did not come")


def checksum(data, start=0):
    data += b"\0" * (len(data) % 2)
    total = start + sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def ethernet(ethertype, vlan=None, dst=MAC_B, src=MAC_A):
    tag = struct.pack("!HH", 0x8100, vlan) if vlan is not None else b""
    return dst + src + tag + struct.pack("!H", ethertype)


def ip4(protocol, payload, src=IP_A, dst=IP_B):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, src, dst)
    return head[:10] + struct.pack("!H", checksum(head) ^ 0xFFFF) + head[12:] + payload


def pseudo_sum(protocol, length, src=IP_A, dst=IP_B):
    return checksum(src + dst + struct.pack("!HH", protocol, length))


def vnet(csum_start, csum_offset, gso=0, hdr_len=0, gso_size=0):
    return struct.pack("=BBHHHH", NEEDS_CSUM, gso, hdr_len, gso_size, csum_start, csum_offset)


def plain_frame(number, vlan=None, length=100):
    return PLAIN + ethernet(TYPE_TEST, vlan) + bytes([number]) * length


def gso_frame(vlan=None, payload=20000):
    """A TCP segment far beyond the MTU, to be cut and checksummed by whoever needs it."""
    tcp = struct.pack("!HHIIBBHHH", 1000, 2000, 1, 0, 5 << 4, 0x10, 1000,
                      pseudo_sum(6, 20 + payload), 0)
    link = ethernet(0x0800, vlan)
    start = len(link) + 20
    header = vnet(start, 16, GSO_TCPV4, start + 20, 1400)
    return header + link + ip4(6, tcp + os.urandom(payload))


def expect_gso(pump, frame):
    got = struct.unpack("=BBHHHH", pump.expect(frame)[:10])
    want = struct.unpack("=BBHHHH", frame[:10])
    assert got[0] & NEEDS_CSUM and got[1] == GSO_TCPV4, got
    assert got[3:] == want[3:], (got, want)


def wait_up(*names):
    """Until then the kernel drops what is sent: bringing a link up ends in a worker of its own."""
    deadline = time.monotonic() + PATIENCE_S
    for name in names:
        while "state UP" not in subprocess.run(["ip", "-o", "link", "show", "dev", name], capture_output=True,
                                               text=True, check=True).stdout:
            assert time.monotonic() < deadline, f"{name} did not come up"
            time.sleep(0.02)


class Veth:
    """A veth pair; each end is opened as a packet port."""

    def __enter__(self):
        make("ip link add ve0 type veth peer name ve1", "ip link set ve0 up", "ip link set ve1 up")
        wait_up("ve0", "ve1")
        self.a, self.b = Pump("packet:ve0"), Pump("packet:ve1")
        return self.a, self.b

    def __exit__(self, *unused):
        self.a.__exit__()
        self.b.__exit__()
        sh("ip link del ve0")


class Bridge:
    """Two TAP ports on a bridge."""

    def __enter__(self):
        make("ip link add br0 type bridge", "ip link set br0 up", "ip tuntap add tp0 mode tap vnet_hdr",
             "ip tuntap add tp1 mode tap vnet_hdr", "ip link set tp0 master br0",
             "ip link set tp1 master br0")
        self.a, self.b = Pump("tap:tp0"), Pump("tap:tp1")
        return self.a, self.b

    def __exit__(self, *unused):
        self.a.__exit__()
        self.b.__exit__()
        for name in "tp0", "tp1", "br0":
            sh(f"ip link del {name}")


def write_until_seen(sender, receiver, frame):
    """A bridge port forwards nothing for a moment after it came up."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        sender.write(frame)
        if receiver.read(QUIET_S):
            return
    raise AssertionError("nothing ever passed")


def all_kinds_pass(a, b):
    for vlan in None, 100, 0xE123:  # the last with a priority
        frame = plain_frame(1, vlan)
        a.write(frame)
        b.expect(frame)
        frame = gso_frame(vlan)
        a.write(frame)
        expect_gso(b, frame)


def test_packet_passes_tags_and_gso():
    with Veth() as (a, b):
        all_kinds_pass(a, b)
        all_kinds_pass(b, a)


def test_tap_passes_tags_and_gso():
    with Bridge() as (a, b):
        write_until_seen(a, b, plain_frame(0))
        all_kinds_pass(a, b)


def test_packet_keeps_partial_checksum():
    with Veth() as (a, b):
        for vlan in None, 100:
            udp = struct.pack("!HHHH", 1, 2, 12, pseudo_sum(17, 12)) + b"data"
            link = ethernet(0x0800, vlan)
            frame = vnet(len(link) + 20, 6) + link + ip4(17, udp)
            a.write(frame)
            got = b.expect(frame)
            assert got[:10] == frame[:10], (got[:10], frame[:10])


def test_packet_does_not_read_itself():
    with Veth() as (a, b):
        a.write(plain_frame(1))
        b.expect(plain_frame(1))
        b.write(plain_frame(2))
        first = a.expect(plain_frame(2))
        assert first == plain_frame(2)
        assert a.read(QUIET_S) is None


def test_packet_sees_frames_for_other_stations():
    with Veth() as (a, b):
        frame = PLAIN + ethernet(TYPE_TEST, dst=bytes.fromhex("5254000000ee")) + b"not yours" * 8
        a.write(frame)
        b.expect(frame)


def test_packet_refuses_too_long_and_goes_on():
    with Veth() as (a, b):
        a.write(plain_frame(1, length=4000))
        assert a.read() == errno.EMSGSIZE
        a.write(plain_frame(2))
        b.expect(plain_frame(2))


def test_packet_survives_down_and_up():
    with Veth() as (a, b):
        sh("ip link set ve0 down")
        a.write(plain_frame(1))
        assert a.read() == errno.ENETDOWN
        sh("ip link set ve0 up")
        wait_up("ve0", "ve1")
        a.write(plain_frame(2))
        b.expect(plain_frame(2))
        b.write(plain_frame(3))
        a.expect(plain_frame(3))


def test_packet_ends_with_its_interface():
    make("ip link add ve0 type veth peer name ve1", "ip link set ve0 up", "ip link set ve1 up")
    pump = Pump("packet:ve0")
    sh("ip link del ve0")
    pump.write(plain_frame(1))  # the kernel tells a reader no more than that the link is down
    assert pump.process.wait(PATIENCE_S) == 3


def test_tap_is_created_and_set_up():
    enter_namespace()
    with Pump("tap:fresh0"):
        assert b"UP" in subprocess.check_output(["ip", "-o", "link", "show", "dev", "fresh0"])


def test_tap_ends_with_its_interface():
    enter_namespace()
    pump = Pump("tap:fresh1")
    sh("ip link del fresh1")
    assert pump.process.wait(PATIENCE_S) == 3


def test_tap_open_twice_says_busy():
    enter_namespace()
    with Pump("tap:fresh2"):
        second = subprocess.run([PUMP, "tap:fresh2"], stdin=subprocess.DEVNULL, capture_output=True)
        assert second.returncode == 1 and b"another process" in second.stderr, second.stderr


def test_tap_leaves_checksums_to_the_host():
    """What has only a partial checksum is good enough for the host's own stack."""
    enter_namespace()
    with Pump("tap:host0") as pump:
        mac = interface_mac("host0")
        make("ip addr add 10.9.0.254/24 dev host0")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("10.9.0.254", 7000))
            sock.settimeout(PATIENCE_S)
            udp = struct.pack("!HHHH", 1, 7000, 12, pseudo_sum(17, 12, IP_A, IP_HOST)) + b"data"
            pump.write(vnet(34, 6) + ethernet(0x0800, dst=mac) + ip4(17, udp, IP_A, IP_HOST))
            assert sock.recv(100) == b"data"


TESTS = [(name.removeprefix("test_").replace("_", " "), function)
         for name, function in list(globals().items()) if name.startswith("test_")]

if __name__ == "__main__":
    raise SystemExit(tap.run(TESTS))
