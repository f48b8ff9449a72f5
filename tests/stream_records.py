# SPDX-License-Identifier: GPL-2.0-or-later
"""Records of docs/protocol.md taken apart: octets in, fields out, Malformed when they break a rule
that needs no knowledge of other records."""

import struct
from typing import NamedTuple

import stream_codec
from stream_codec import Malformed

HEADER = struct.Struct("<IHHIIQQ")
MAGIC = 0x31534D52
PAYLOAD_MAX = 1 << 20
OPTIONAL = 0x8000
PRIMARY, BACKUP = "primary", "backup"
VERSION = 1


class Record(NamedTuple):
    offset: int
    type: int
    name: str
    generation: int
    sequence: int
    payload: bytes


class Fields:
    """Reads a payload from its front."""

    def __init__(self, payload):
        self.payload, self.at = payload, 0

    def octets(self, count):
        if self.at + count > len(self.payload):
            raise Malformed(f"payload ends {self.at + count - len(self.payload)} octets early", self.at)
        self.at += count
        return self.payload[self.at - count:self.at]

    def number(self, size, low=0, high=None, what="field"):
        value = int.from_bytes(self.octets(size), "little")
        if value < low or (high is not None and value > high):
            raise Malformed(f"{what} is {value}, allowed: {low}..{high}", self.at - size)
        return value

    def u8(self, *args):
        return self.number(1, *args)

    def u16(self, *args):
        return self.number(2, *args)

    def u32(self, *args):
        return self.number(4, *args)

    def u64(self, *args):
        return self.number(8, *args)

    def text(self, most, what):
        length = self.u16(1, most, f"length of {what}")
        at = self.at
        try:
            text = self.octets(length).decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"{what} is not UTF-8", at + error.start) from None
        if any(ord(c) < 0x20 or ord(c) == 0x7F for c in text):
            raise Malformed(f"{what} has a control character", at)
        return text

    def rest(self):
        return self.octets(len(self.payload) - self.at)

    def end(self):
        if self.at != len(self.payload):
            raise Malformed(f"{len(self.payload) - self.at} octets left over", self.at)


def hello(f):
    m = {"version_min": f.u16(1, 0xFFFF, "version_min")}
    m["version_max"] = f.u16(m["version_min"], 0xFFFF, "version_max")
    m["features"] = f.u32()
    m["uuid"] = f.octets(16).hex()
    if int(m["uuid"], 16) == 0:
        raise Malformed("uuid is all zero", 8)
    m["pages"] = f.u64(1, 1 << 36, "pages")
    m["epoch_ms"] = f.u32(1, 60000, "epoch_ms")
    m["hold"] = f.u8(0, 2, "hold")
    m["name"] = f.text(63, "name")
    m["backend"] = f.text(63, "backend")
    m["desc"] = f.octets(f.u32(0, 65536, "desc_len"))
    if m["version_max"] > VERSION:
        f.rest()
    return m


def welcome(f):
    return {"version": f.u16(1, VERSION, "version"), "features": f.u32(0, 3, "features"),
            "lease_ms": f.u32(1, 60000, "lease_ms"), "staging_pages": f.u64(1, None, "staging_pages")}


def epoch_begin(f):
    return {"epoch": f.u64(), "flags": f.u32(0, 1, "flags"), "sent_ns": f.u64()}


def page_head(f, features_needed):
    head = {"pfn": f.u64(), "coding": f.u8(0, 3, "coding")}
    _, least, most, _ = stream_codec.CODINGS[head["coding"]]
    f.u8(0, 0, "reserved octet of a page")
    head["length"] = f.u16(least, most, "length of a page")
    features_needed.add({2: 2, 3: 1}.get(head["coding"], 0))
    return head


def pages(f):
    m, needed = {"epoch": f.u64()}, set()
    count = f.u16(1, 128, "count")
    size = f.u32()
    m["pages"] = [page_head(f, needed) for _ in range(count)]
    m["features_needed"] = sum(needed)
    if size != len(f.payload) - f.at or size != sum(p["length"] for p in m["pages"]):
        raise Malformed(f"data_len is {size}, {len(f.payload) - f.at} octets follow, the pages' lengths "
                        f"add up to {sum(p['length'] for p in m['pages'])}", 10)
    for page in m["pages"]:
        page["at"] = f.at
        page["data"] = f.octets(page["length"])
    return m


def state(f):
    m = {"epoch": f.u64(), "total": f.u32(1, 1 << 20, "total"), "offset": f.u32()}
    m["data"] = f.rest()
    if m["offset"] + len(m["data"]) > m["total"]:
        raise Malformed("piece of state passes the total", 12)
    return m


def frames(f):
    m = {"epoch": f.u64(), "frames": []}
    for _ in range(f.u16(1, 0xFFFF, "count")):
        m["frames"].append(f.octets(f.u32(24, 65563, "length of a frame")))
    return m


def address(f):
    a = {"family": f.u8(0, 6, "family")}
    if a["family"] not in (0, 4, 6):
        raise Malformed(f"family is {a['family']}, allowed: 0, 4, 6", f.at - 1)
    f.u8(0, 0, "reserved octet of an address")
    a["vlan"] = f.u16(0, 4095, "vlan")
    a["mac"] = f.octets(6).hex(":")
    ip = f.octets(16)
    used = {0: 0, 4: 4, 6: 16}[a["family"]]
    if any(ip[used:]):
        raise Malformed(f"{'IPv4 address' if used else 'MAC'} with octets behind it", f.at - 16 + used)
    a["ip"] = ip[:used].hex()
    return a


def addrs(f):
    m = {"epoch": f.u64()}
    m["addrs"] = [address(f) for _ in range(f.u16(1, 32, "count"))]
    return m


def epoch_end(f):
    return {"epoch": f.u64(), "pages": f.u64(), "frames": f.u64(), "digest": f.octets(16).hex(),
            "image_digest": f.octets(16).hex(), "sent_ns": f.u64()}


def beat(f):
    return {"sent_ns": f.u64()}


def ack(f):
    return {"epoch": f.u64(), "sent_ns": f.u64(), "lease_ms": f.u32(0, 60000, "lease_ms")}


def handover(f):
    return {"epoch": f.u64(1, None, "epoch"), "reason": f.u8(1, 2, "reason")}


def handover_ack(f):
    return {"epoch": f.u64(), "generation": f.u64()}


def reject(f):
    return {"code": f.u16(1, 8, "code"), "generation": f.u64(), "text": f.text(255, "text")}


def bye(f):
    return {"reason": f.u16(1, 4, "reason"), "text": f.text(255, "text")}


def bye_ack(_f):
    return {}


# By the record's type: name, who sends it, smallest and greatest payload, its fields
TYPES = {
    1: ("HELLO", {PRIMARY}, 47, PAYLOAD_MAX, hello),
    2: ("EPOCH_BEGIN", {PRIMARY}, 20, 20, epoch_begin),
    3: ("PAGES", {PRIMARY}, 26, 525838, pages),
    4: ("STATE", {PRIMARY}, 17, 1048528, state),
    5: ("FRAMES", {PRIMARY}, 38, PAYLOAD_MAX, frames),
    6: ("ADDRS", {PRIMARY}, 36, 842, addrs),
    7: ("EPOCH_END", {PRIMARY}, 64, 64, epoch_end),
    8: ("BEAT", {PRIMARY}, 8, 8, beat),
    9: ("HANDOVER", {PRIMARY}, 9, 9, handover),
    65: ("WELCOME", {BACKUP}, 18, 18, welcome),
    66: ("ACK", {BACKUP}, 20, 20, ack),
    67: ("BEAT_ACK", {BACKUP}, 20, 20, ack),
    68: ("FRAMES_IN", {BACKUP}, 38, PAYLOAD_MAX, frames),
    69: ("HANDOVER_ACK", {BACKUP}, 16, 16, handover_ack),
    70: ("REJECT", {PRIMARY, BACKUP}, 13, 267, reject),
    128: ("BYE", {PRIMARY, BACKUP}, 5, 259, bye),
    129: ("BYE_ACK", {PRIMARY, BACKUP}, 0, 0, bye_ack),
}


def read_record(data, offset):
    """The record at `offset`: header and CRC checked, payload not yet looked into."""
    if len(data) - offset < HEADER.size:
        raise Malformed(f"{len(data) - offset} octets where a record header should be")
    magic, kind, flags, length, crc, generation, sequence = HEADER.unpack_from(data, offset)
    name, _, least, most, _ = TYPES.get(kind, (f"type {kind}", None, 0, PAYLOAD_MAX, None))
    if magic != MAGIC:
        raise Malformed(f"magic is {magic:#010x}")
    if not least <= length <= most:
        raise Malformed(f"{name} with {length} octets of payload, allowed: {least}..{most}", 8)
    if flags != 0:
        raise Malformed(f"flags are {flags:#06x}", 6)
    if kind not in TYPES and not kind & OPTIONAL:
        raise Malformed(f"unknown record type {kind}", 4)
    end = offset + HEADER.size + length
    if end > len(data):
        raise Malformed(f"{name} ends {end - len(data)} octets behind the end of the stream")
    head, payload = data[offset:offset + HEADER.size], data[offset + HEADER.size:end]
    found = stream_codec.crc32c(head[:12] + bytes(4) + head[16:] + payload)
    if found != crc:
        raise Malformed(f"{name} has CRC {crc:#010x}, its octets give {found:#010x}", 12)
    return Record(offset, kind, name, generation, sequence, payload), end


def parse(record):
    """The payload's fields; None for a record that is to be skipped."""
    if record.type not in TYPES:
        return None
    fields = Fields(record.payload)
    try:
        message = TYPES[record.type][4](fields)
        fields.end()
    except Malformed as error:
        raise Malformed(f"{record.name}: {error.reason}", HEADER.size + error.offset) from None
    return message
