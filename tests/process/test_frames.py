#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""I1, output commit: no frame of any ethertype leaves before its epoch is sealed, and then all leave, unchanged and
in order."""
import os
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checks import Pair, Station, reachable  # noqa: E402
from rig import PATIENT, Proc, wait_for  # noqa: E402
import tap  # noqa: E402

ARP, IP4, IP6, REFLECT = 0x0806, 0x0800, 0x86DD, 0x88B5
BROADCAST = b"\xff" * 6
VLAN = 42
# Long enough for seals to be withheld without anybody losing patience.
BOTH = {"a_conf": PATIENT, "b_conf": PATIENT}
QUIET_S = 2  # after which nothing more comes


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip6_address(number):
    return b"\xfd\x77" + bytes(12) + number.to_bytes(2, "big")


def ip4_address(number):
    return bytes([10, 77, 0, number])


def arp_request(number):
    """The sender's address carries the number, and comes back as the target's."""
    return ARP, b"\0\1\x08\0\6\4\0\1" + bytes.fromhex("525400c10101") + bytes([10, 77, *number.to_bytes(2, "big")]) + \
        bytes(6) + ip4_address(101)


def arp_number(body):
    return int.from_bytes(body[26:28], "big")


def udp(number):
    return struct.pack(">HHHH", 5000, 7, 16, 0) + number.to_bytes(8, "big")


def ip4_request(number):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 36, 0, 0, 64, 17, 0, ip4_address(9), ip4_address(101))
    return IP4, head[:10] + struct.pack(">H", checksum(head)) + head[12:] + udp(number)


def ip4_number(body):
    return int.from_bytes(body[28:36], "big")


def ip6_request(number):
    source, target = ip6_address(9), ip6_address(101)
    datagram = udp(number)
    total = checksum(source + target + struct.pack(">II", 16, 17) + datagram) or 0xFFFF
    datagram = datagram[:6] + struct.pack(">H", total) + datagram[8:]
    return IP6, struct.pack(">IHBB", 6 << 28, 16, 17, 64) + source + target + datagram


def ip6_number(body):
    return int.from_bytes(body[48:56], "big")


def reflect_request(number):
    return REFLECT, number.to_bytes(8, "big") + bytes(48)


def reflect_number(body):
    return int.from_bytes(body[:8], "big")


KINDS = {ARP: (arp_request, arp_number), IP4: (ip4_request, ip4_number), IP6: (ip6_request, ip6_number),
         REFLECT: (reflect_request, reflect_number)}


def parse(frame):
    """(tag or None, ethertype, body) of a frame with its vnet header."""
    kind, at, tag = int.from_bytes(frame[22:24], "big"), 24, None
    if kind == 0x8100:
        tag, kind, at = int.from_bytes(frame[24:26], "big"), int.from_bytes(frame[26:28], "big"), 28
    return tag, kind, frame[at:]


class Talk:
    """A station that asks the guest numbered questions of all kinds."""

    def __init__(self, pair):
        self.pair, self.station, self.asked = pair, Station(pair.rig), []
        self.mac = bytes.fromhex(pair.vm.mac.replace(":", ""))

    def ask_all(self, rounds):
        for _ in range(rounds):
            for kind in KINDS:
                for tag in (None, VLAN):
                    self.asked.append((tag, kind, len(self.asked)))
                    self.station.send(self.mac, *KINDS[kind][0](len(self.asked) - 1), tag=tag)

    def from_guest(self, frame):
        return frame[16:22] == self.mac and frame[10:16] == self.station.mac

    def answer(self, frame):
        """What the guest sent to this station, as (tag, ethertype, number), in a list; of other frames nothing."""
        if not self.from_guest(frame):
            return []
        tag, kind, body = parse(frame)
        return [(tag, kind, KINDS[kind][1](body))]

    def answers(self, seconds, count=None):
        end, got = time.monotonic() + seconds, []
        while time.monotonic() < end and (count is None or len(got) < count):
            got += self.answer(self.station.receive(end - time.monotonic()) or b"")
        return got

    def answers_until_quiet(self):
        got = []
        while frame := self.station.receive(QUIET_S):
            got += self.answer(frame)
        return got

    def close(self):
        self.station.close()


def guest_stats(pair):
    return pair.rig.ask_vm("A", pair.vm.uuid, "stats")


def withheld_then_released(hold, direction, **more):
    """`direction` is what has to move for a seal to have its effect. The guest is heard when it moves again."""
    with Pair(hold=hold, **BOTH, **more) as pair:
        talk = Talk(pair)
        talk.ask_all(1)
        assert talk.answers(10, len(talk.asked)) == talk.asked, "not even with a good link"
        talk.asked.clear()
        pair.proxy.freeze(direction)
        time.sleep(0.2)  # what was sealed is let out
        talk.answers(0.2)
        before = guest_stats(pair)["frames_out"]
        talk.ask_all(3)
        wait_for("the guest has answered all", lambda: guest_stats(pair)["frames_out"] >= before + len(talk.asked))
        early = talk.answers(0.6)
        assert early == [], f"out before the seal: {early}"
        pair.proxy.thaw()
        got = talk.answers(10, len(talk.asked))
        assert got == talk.asked, f"{got}, asked {talk.asked}"
        assert pair.sessions() == 1 and not pair.failed_over(), pair.a.events()
        talk.close()


def test_withheld_hold_backup():
    """Questions enter at B and travel down; answers travel up in their epoch and wait at B for its end."""
    withheld_then_released("backup", "up")


def test_withheld_hold_primary_epochs_stuck():
    withheld_then_released("primary", "up")


def test_withheld_hold_primary_acks_stuck():
    withheld_then_released("primary", "down")


def test_never_sealed_never_seen():
    """What the guest said in epochs that B never got is not said by anybody, before or after the failover."""
    with Pair(hold="primary") as pair:
        talk = Talk(pair)
        pair.proxy.freeze("up")
        time.sleep(0.2)
        talk.answers(0.2)
        talk.ask_all(2)
        early = talk.answers(0.3)
        assert early == [], early
        pair.rig.power_cut(pair.a, pair.vm)
        pair.proxy.cut()
        pair.wait_state(pair.b, "active")
        assert talk.answers(0.5) == []
        talk.asked.clear()
        talk.ask_all(1)
        assert talk.answers(10, len(talk.asked)) == talk.asked, "the guest does not answer at B"
        talk.close()


def segment(size, number):
    """As a guest's TCP stack hands a large segment to its card: to be cut up and summed further on."""
    vnet = struct.pack("<BBHHHH", 1, 1, 54, 1448, 34, 16)
    return vnet, number.to_bytes(8, "big") + bytes((number * 7 + i) & 0xFF for i in range(size - 8))


def large_frames(hold):
    with Pair(hold=hold, **BOTH) as pair:
        talk = Talk(pair)
        for number, (size, tag) in enumerate(((46, None), (1500, VLAN), (9000, None), (65535, None), (65535, VLAN))):
            vnet, payload = segment(size, number)
            talk.station.send(talk.mac, REFLECT, payload, tag=tag, vnet=vnet)
            frame = first(talk, 10)
            assert parse(frame) == (tag, REFLECT, payload), f"{size} octets came back as {len(frame)}"
            assert frame[:10] == vnet, f"vnet header {frame[:10].hex()}, sent {vnet.hex()}"
        talk.close()


def first(talk, seconds):
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        frame = talk.station.receive(left)
        if frame and talk.from_guest(frame):
            return frame
    raise AssertionError("nothing came back")


def test_large_frames_hold_backup():
    large_frames("backup")


def test_large_frames_hold_primary():
    large_frames("primary")


def is_announcement(vm_mac, frame):
    """"arp", "na" or None."""
    tag, kind, body = parse(frame)
    if frame[16:22] != vm_mac or tag is not None:
        return None
    if kind == ARP and frame[10:16] == BROADCAST and body[14:18] == body[24:28] == ip4_address(101):
        return "arp"
    if kind == IP6 and body[6] == 58 and body[40] == 136 and body[48:64] == ip6_address(101):
        return "na" if not body[44] & 0x40 and body[44] & 0x20 else None  # unsolicited, override
    return None


def test_announced_after_failover():
    """With hold=primary the guest's MAC moves to another port of the network: the network has to be told."""
    with Pair(hold="primary") as pair:
        talk = Talk(pair)
        for _ in range(2):  # the guest's addresses are learnt from what it sends
            talk.ask_all(1)
            talk.answers(5, 8)
        pair.wait_epochs(5)
        pair.rig.power_cut(pair.a, pair.vm)
        seen = set()

        def announced():
            while frame := talk.station.receive(0.001):
                seen.add(is_announcement(talk.mac, frame))
            return {"arp", "na"} <= seen

        wait_for("ARP and NA", announced)
        pair.wait_state(pair.b, "active")
        talk.close()


def flood(hold, direction):
    """More output than may be held: it is dropped and counted. What is left comes in order; nothing breaks."""
    limits = {"a_conf": dict(PATIENT, held_mb=1), "b_conf": dict(PATIENT, held_mb=1)}
    with Pair(hold=hold, **limits) as pair:
        talk = Talk(pair)
        pair.proxy.freeze(direction)
        time.sleep(0.2)
        before = guest_stats(pair)["frames_out"]
        for number in range(600):
            talk.station.send(talk.mac, REFLECT, number.to_bytes(8, "big") + bytes(8000))
            if number % 20 == 19:
                time.sleep(0.01)
        wait_for("the guest has answered most", lambda: guest_stats(pair)["frames_out"] > before + 300)
        time.sleep(0.5)
        held = pair.at_a()["held_bytes"], pair.at_b()["held_bytes"]
        assert max(held) <= 1 << 20, held
        pair.proxy.thaw()
        numbers = [number for _, _, number in talk.answers_until_quiet()]
        assert numbers == sorted(set(numbers)), "out of order, or twice"
        wait_for("drops are counted", lambda: pair.at_a()["dropped_frames"] + pair.at_b()["dropped_frames"] > 0)
        assert 0 < len(numbers) < 600, len(numbers)
        assert pair.sessions() == 1 and pair.at_a()["state"] == "protected", pair.a.events()
        talk.ask_all(1)
        assert talk.answers(10, len(talk.asked)) == talk.asked, "the guest is not reached any more"
        talk.close()


def test_flood_hold_primary():
    flood("primary", "down")


def test_flood_hold_backup():
    flood("backup", "up")


# ---- a network that goes away ----

def switch_comes_back(pair):
    switch = pair.rig.switch.popen
    os.unlink(pair.rig.switch_socket)
    pair.rig.switch = Proc(pair.rig, "switch again", switch.args)
    wait_for("switch listens", lambda: os.path.exists(pair.rig.switch_socket))


def network_lost(where, hold):
    """It is told at the host by which the guest speaks, until protection begins anew with a network."""
    with Pair(hold=hold, **BOTH) as pair:
        daemon = getattr(pair, where)
        pair.rig.switch.kill()
        wait_for("it is told", lambda: pair.causes(daemon) == {"network"})
        assert pair.at_a()["protected"], pair.at_a()
        before = pair.generation()
        switch_comes_back(pair)
        pair.proxy.cut()
        pair.wait_protected(above=before)
        wait_for("all is well", lambda: pair.causes(pair.a) == pair.causes(pair.b) == set())
        reachable(pair.rig, pair.vm)


def test_network_lost_hold_backup():
    network_lost("b", "backup")


def test_network_lost_hold_primary():
    network_lost("a", "primary")


def test_network_lost_while_the_primary_is_away():
    """What comes for the guest is dropped then, and that there is no network any more is seen all the same."""
    with Pair(hold="backup", b_conf={"detector_floor_ms": 60000, "detector_ceiling_ms": 60000}) as pair:
        pair.proxy.unplug()
        wait_for("the link is lost", lambda: "link-lost" in pair.causes(pair.b))
        pair.rig.switch.kill()
        wait_for("it is told", lambda: "network" in pair.causes(pair.b), timeout=50)
        assert not pair.failed_over(), pair.b.events()


if __name__ == "__main__":
    sys.exit(tap.run([(n[5:].replace("_", " "), f) for n, f in sorted(globals().items()) if n.startswith("test_")]))
