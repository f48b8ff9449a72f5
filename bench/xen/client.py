# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest as its clients see it: round trips of ping and of a TCP service, and whose frames arrive."""

import os
import select
import socket
import struct
import time

from lablib.layout import GUEST_IP, HOSTS, NUMBERED_PORT, tap_name

GUEST_MAC = bytes.fromhex("00163e770020")
PING_EVERY_S, LINE_EVERY_S = 0.05, 0.05
CONNECT_LIMIT_S = 60
ECHO_REQUEST, ECHO_REPLY, IP_HEADER = 8, 0, 20
ETH_P_ALL = 3
LOOK_S = 0.005


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


class Pinger:
    """A ping every PING_EVERY_S, answered or not."""

    def __init__(self, lab):
        self.sock = lab.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.sock.setblocking(False)
        self.ident, self.number = os.getpid() & 0xffff, 0
        self.sent, self.trips = {}, []      # number: when; (when sent, seconds)
        self.next = time.monotonic()

    def work(self, now):
        if now >= self.next:
            self.next = max(self.next + PING_EVERY_S, now)
            self.send(now)
        self.receive()

    def send(self, now):
        self.number = (self.number + 1) & 0xffff
        head = struct.pack(">BBHHH", ECHO_REQUEST, 0, 0, self.ident, self.number)
        packet = struct.pack(">BBHHH", ECHO_REQUEST, 0, checksum(head + b"remusben"), self.ident,
                             self.number) + b"remusben"
        self.sent[self.number] = now
        try:
            self.sock.sendto(packet, (GUEST_IP, 0))
        except OSError:
            pass    # nobody answers ARP: a ping that was lost

    def receive(self):
        while True:
            try:
                packet = self.sock.recv(2048)
            except OSError:
                return
            kind, _, _, ident, number = struct.unpack(">BBHHH", packet[IP_HEADER:IP_HEADER + 8])
            if kind == ECHO_REPLY and ident == self.ident and number in self.sent:
                when = self.sent.pop(number)
                self.trips.append((when, time.monotonic() - when))

    def close(self):
        self.sock.close()


class Liner:
    """A numbered line every so often on one TCP connection, whether or not earlier ones are answered."""

    def __init__(self, lab, every_s):
        self.every_s = every_s
        self.sock = lab.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.settimeout(CONNECT_LIMIT_S)
        self.sock.connect((GUEST_IP, NUMBERED_PORT))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.sent, self.trips = [], []
        self.rest, self.answered, self.wrong = b"", 0, 0
        self.broken = None
        self.next = time.monotonic()

    def work(self, now):
        if self.broken:
            return
        try:
            if now >= self.next:
                self.next = max(self.next + self.every_s, now)
                self.sock.send(f"line {len(self.sent) + 1}\n".encode())
                self.sent.append(now)
            self.take(self.sock.recv(65536))
        except BlockingIOError:
            pass
        except OSError as error:
            self.broken = str(error)

    def take(self, data):
        if not data:
            self.broken = "closed by the guest"
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.answered += 1
            self.wrong += line != b"%d line %d" % (self.answered, self.answered)
            if self.answered <= len(self.sent):
                when = self.sent[self.answered - 1]
                self.trips.append((when, time.monotonic() - when))

    def close(self):
        self.sock.close()


class Voices:
    """Which hosts send frames in the guest's name."""

    def __init__(self, lab):
        self.socks = {host: lab.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
                      for host in HOSTS}
        for host, sock in self.socks.items():
            sock.bind((tap_name(host, "front"), 0))
            sock.setblocking(False)
        self.heard = {host: [] for host in HOSTS}

    def work(self, now):
        for host, sock in self.socks.items():
            while True:
                try:
                    frame, source = sock.recvfrom(64)
                except OSError:
                    break
                if frame[6:12] == GUEST_MAC and source[2] != socket.PACKET_OUTGOING:
                    self.heard[host].append(now)

    def close(self):
        for sock in self.socks.values():
            sock.close()


def run(parts, seconds, done=lambda now: False):
    """Lets them work for so long, or until done."""
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end and not done(now):
        for part in parts:
            part.work(now)
        select.select([], [], [], LOOK_S)
