# SPDX-License-Identifier: GPL-2.0-or-later
"""Puts records of docs/protocol.md together, right and wrong ones, to try readers with. A record is a
pair of its type (a name or a number) and its payload."""

import struct

import stream_codec
import stream_records

GENERATION = 7
TYPE = {entry[0]: number for number, entry in stream_records.TYPES.items()}


def text(value):
    return struct.pack("<H", len(value)) + value


def page(pfn, coding, data):
    return struct.pack("<QBBH", pfn, coding, 0, len(data)), data


def pages(epoch, *items):
    heads, data = (b"".join(part) for part in zip(*items))
    return "PAGES", struct.pack("<QHI", epoch, len(items), len(data)) + heads + data


def hello(count=8, features=3, version=(1, 1), desc=b"desc", tail=b""):
    return "HELLO", struct.pack("<HHI16sQIB", *version, features, b"u" * 16, count, 25, 0) + \
        text(b"vm") + text(b"sim") + struct.pack("<I", len(desc)) + desc + tail


def begin(epoch, flags=0):
    return "EPOCH_BEGIN", struct.pack("<QIQ", epoch, flags, 1000 * epoch)


def state(epoch, total, offset, octets):
    return "STATE", struct.pack("<QII", epoch, total, offset) + octets


def frames(epoch, *items, kind="FRAMES"):
    return kind, struct.pack("<QH", epoch, len(items)) + \
        b"".join(struct.pack("<I", len(item)) + item for item in items)


def digest(*parts):
    if not stream_codec.XXHASH:
        return bytes(16)
    hashed = stream_codec.Digest()
    hashed.feed(b"".join(parts))
    return hashed.value()


def end(epoch, page_count, frame_count, *content, image=bytes(16)):
    value = digest(struct.pack("<QQ", GENERATION, epoch), *content)
    return "EPOCH_END", struct.pack("<QQQ", epoch, page_count, frame_count) + value + image + bytes(8)


def addrs(epoch=1):
    return "ADDRS", struct.pack("<QHBBH6s16s", epoch, 1, 4, 0, 0, b"\x02" + bytes(5), bytes([10, 0, 0, 1]))


def seal(kind, payload, sequence, generation=GENERATION):
    number = TYPE.get(kind, kind)
    head = struct.pack("<IHHIIQQ", stream_records.MAGIC, number, 0, len(payload), 0, generation, sequence)
    crc = stream_codec.crc32c(head + payload)
    return head[:12] + struct.pack("<I", crc) + head[16:] + payload


def stream(*records):
    return b"".join(seal(kind, payload, n) for n, (kind, payload) in enumerate(records))


# ---- what the epoch digest is fed for a page, the state and a frame ----

def digest_page(pfn, content):
    return b"P" + struct.pack("<Q", pfn) + content


def digest_state(octets):
    return b"S" + struct.pack("<I", len(octets)) + octets


def digest_frame(frame):
    return b"F" + struct.pack("<I", len(frame)) + frame
