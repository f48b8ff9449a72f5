# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine on the front segment that speaks in whole frames, so that every kind of answer of the guest is seen
as it comes off the wire. And ears on both hosts' cables, to hear which of them speaks for the guest.
"""

import ctypes
import select
import socket
import struct
import time

from lablib.layout import GUEST_IP, GUEST_IP6, HOSTS, SUBNET, tap_name

GUEST_MAC = bytes.fromhex("00163e770020")
OWN_MAC = bytes.fromhex("525400770063")
BROADCAST = b"\xff" * 6
ARP, IPV4, IPV6, VLAN, ALL = 0x0806, 0x0800, 0x86DD, 0x8100, 3
UDP, ICMP6, SOLICITATION, ADVERTISEMENT, ECHO_PORT, OWN_PORT = 17, 58, 135, 136, 7, 4000
SOL_PACKET, ADD_MEMBERSHIP, AUXDATA, PROMISC, OUTGOING = 263, 1, 8, 1, 4
AUX = struct.Struct("=IIIHHHH")      # status, len, snaplen, mac, net, vlan_tci, vlan_tpid
VLAN_VALID = 0x10
KINDS = ("ARP", "ARP in a VLAN", "IPv6 neighbour discovery", "UDP over IPv4", "UDP over IPv6")
FIRST_ROUND, ROUNDS = 100, 100       # the round is the last octet of this machine's addresses
QUEUE = 8 << 20
ATTACH_FILTER = 26
# ld [6:4]; jne guest; ldh [10:2]; jne guest; accept 128 octets; drop
FROM_GUEST = ((0x20, 0, 0, 6), (0x15, 0, 3, int.from_bytes(GUEST_MAC[:4], "big")), (0x28, 0, 0, 10),
              (0x15, 0, 1, int.from_bytes(GUEST_MAC[4:], "big")), (0x06, 0, 0, 128), (0x06, 0, 0, 0))


def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def v4(text):
    return socket.inet_aton(text)


def v6(text):
    return socket.inet_pton(socket.AF_INET6, text)


def own_v6(number):
    return v6(f"fd77::{number:x}:1")


def arp(own, guest):
    return struct.pack(">HHBBH", 1, IPV4, 6, 4, 1) + OWN_MAC + own + bytes(6) + guest


def ipv4_udp(own, payload):
    udp = struct.pack(">HHHH", OWN_PORT, ECHO_PORT, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, UDP, 0) + own + v4(GUEST_IP)
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + udp


def ipv6(own, kind, content, at):
    """`at`: where in `content` its checksum goes."""
    dest = v6(GUEST_IP6)
    total = checksum(own + dest + struct.pack(">II", len(content), kind) + content)
    content = content[:at] + struct.pack(">H", total) + content[at + 2:]
    return struct.pack(">IHBB", 6 << 28, len(content), kind, 255) + own + dest + content


def solicitation(own):
    return ipv6(own, ICMP6, struct.pack(">BBHI", SOLICITATION, 0, 0, 0) + v6(GUEST_IP6) + b"\x01\x01" + OWN_MAC, 2)


def ipv6_udp(own, payload):
    return ipv6(own, UDP, struct.pack(">HHHH", OWN_PORT, ECHO_PORT, 8 + len(payload), 0) + payload, 6)


class Station:
    def __init__(self, lab, vlan):
        self.vlan, self.round = vlan, 0
        self.answered = {kind: set() for kind in KINDS}  # rounds
        self.sock = lab.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
        self.sock.bind(("br-front", 0))
        with lab.namespace.entered():
            number = socket.if_nametoindex("br-front")
        self.sock.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, struct.pack("iHH8s", number, PROMISC, 0, b""))
        self.sock.setsockopt(SOL_PACKET, AUXDATA, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE)

    def close(self):
        self.sock.close()

    def send(self, dest, kind, content, vlan=None):
        tag = b"" if vlan is None else struct.pack(">HH", VLAN, vlan)
        self.sock.send((dest + OWN_MAC + tag + struct.pack(">H", kind) + content).ljust(60, b"\0"))

    def ask(self):
        """One question of each kind; the number of the round comes back in each answer."""
        self.round += 1
        number = FIRST_ROUND + self.round % ROUNDS
        own, own6 = v4(f"{SUBNET['front']}.{number}"), own_v6(number)
        payload = b"datagram %d" % number
        self.send(BROADCAST, ARP, arp(own, v4(GUEST_IP)))
        self.send(BROADCAST, ARP, arp(v4(f"10.77.{self.vlan}.{number}"), v4(f"10.77.{self.vlan}.20")), self.vlan)
        self.send(GUEST_MAC, IPV6, solicitation(own6))
        self.send(GUEST_MAC, IPV4, ipv4_udp(own, payload))
        self.send(GUEST_MAC, IPV6, ipv6_udp(own6, payload))
        return number

    def judge(self, frame, vlan):
        """(kind, round) of an answer; None: something else."""
        kind, content = struct.unpack(">H", frame[12:14])[0], frame[14:]
        if frame[6:12] != GUEST_MAC or frame[:6] != OWN_MAC:
            return None
        if kind == ARP and content[7] == 2:
            return KINDS[0] if vlan is None else KINDS[1], content[27]
        if kind == IPV4 and content[9] == UDP and vlan is None:
            return KINDS[3], content[19]
        if kind == IPV6 and content[6] == UDP:
            return KINDS[4], content[37]
        if kind == IPV6 and content[6] == ICMP6 and content[40] == ADVERTISEMENT:
            return KINDS[2], content[37]
        return None

    def hear(self, seconds=0.0):
        """Notes the answers that come within that time, and returns them."""
        deadline, heard = time.monotonic() + seconds, []
        while select.select([self.sock], [], [], max(0, deadline - time.monotonic()))[0]:
            frame, extra, _, address = self.sock.recvmsg(65536, 256)
            vlan = None
            for _, _, data in extra:
                status, *_, tci, _ = AUX.unpack(data[:AUX.size])
                vlan = tci & 0xFFF if status & VLAN_VALID else None
            found = None if address[2] == OUTGOING else self.judge(frame, vlan)
            if found:
                self.answered[found[0]].add(found[1])
                heard.append(found)
        return heard

    def newest_everywhere(self, number):
        return all(number in rounds for rounds in self.answered.values())


class Voices:
    """Which host's cable the guest's frames came from, in the order in which they came."""

    def __init__(self, lab):
        self.sock = lab.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
        program = b"".join(struct.pack("=HBBI", *instruction) for instruction in FROM_GUEST)
        code = ctypes.create_string_buffer(program)
        self.sock.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER,
                             struct.pack("@HP", len(FROM_GUEST), ctypes.addressof(code)))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE)
        self.sock.setblocking(False)
        self.cables = {tap_name(host, "front"): host for host in HOSTS}
        self.heard = []

    def listen(self):
        """All that came since; the names of the hosts, oldest first."""
        while True:
            try:
                frame, address = self.sock.recvfrom(128)
            except BlockingIOError:
                return self.heard
            if address[0] in self.cables and address[2] != OUTGOING and frame[6:12] == GUEST_MAC:
                self.heard.append(self.cables[address[0]])

    def close(self):
        self.sock.close()
