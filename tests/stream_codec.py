# SPDX-License-Identifier: GPL-2.0-or-later
"""Checksum, page codings and digest of docs/protocol.md, in plain Python for the second reader."""

import array
import ctypes
import struct
import sys

PAGE = 4096
ZERO_PAGE = bytes(PAGE)


class Malformed(Exception):
    """What the octets say is against the specification; `offset` counts from their own start."""

    def __init__(self, reason, offset=0):
        super().__init__(reason)
        self.reason, self.offset = reason, offset


def _crc_table():
    table = []
    for index in range(256):
        for _ in range(8):
            index = index >> 1 ^ (0x82F63B78 if index & 1 else 0)
        table.append(index)
    return table


def _two_octets(table, value):
    crc = table[value & 0xFF]
    return table[crc & 0xFF ^ value >> 8] ^ crc >> 8


_CRC8 = _crc_table()
# Two octets at a time, because most of a reader's time goes here.
_CRC16 = [_two_octets(_CRC8, value) for value in range(65536)]


def crc32c(data):
    crc = 0xFFFFFFFF
    words = array.array("H", bytes(data[:len(data) & ~1]))
    if sys.byteorder == "big":
        words.byteswap()
    table = _CRC16
    for word in words:
        crc = table[crc & 0xFFFF ^ word] ^ crc >> 16
    if len(data) & 1:
        crc = _CRC8[crc & 0xFF ^ data[-1]] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


class _Octets:
    """Takes octets off the front of a coded page."""

    def __init__(self, data):
        self.data, self.at = bytes(data), 0

    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        if count > self.left():
            raise Malformed(f"{count} octets wanted, {self.left()} left", self.at)
        self.at += count
        return self.data[self.at - count:self.at]

    def octet(self):
        return self.take(1)[0]


def _lz4_length(octets, nibble):
    length = nibble
    more = nibble == 15
    while more:
        octet = octets.octet()
        length += octet
        more = octet == 255
        if length > PAGE:
            raise Malformed("LZ4 run longer than a page", octets.at)
    return length


def _lz4_match(octets, out, length):
    offset, = struct.unpack("<H", octets.take(2))
    if offset == 0 or offset > len(out):
        raise Malformed(f"LZ4 offset {offset} after {len(out)} octets", octets.at)
    length = _lz4_length(octets, length) + 4
    for _ in range(-(-length // offset)):
        take = min(length, offset)
        start = len(out) - offset
        out += out[start:start + take]
        length -= take


def decode_lz4(data):
    """One LZ4 block: sequences of literals and a match, the last one of literals only."""
    octets, out = _Octets(data), bytearray()
    while True:
        token = octets.octet()
        out += octets.take(_lz4_length(octets, token >> 4))
        if octets.left() == 0:
            break
        _lz4_match(octets, out, token & 15)
        if len(out) > PAGE:
            raise Malformed("LZ4 block decodes to more than a page", octets.at)
    if len(out) != PAGE:
        raise Malformed(f"LZ4 block decodes to {len(out)} octets", octets.at)
    return bytes(out)


def _uvarint(octets):
    low = octets.octet()
    if low < 0x80:
        return low
    high = octets.octet()
    if high >= 0x80:
        raise Malformed("uvarint of more than two octets", octets.at)
    if high == 0:
        raise Malformed("uvarint longer than needed", octets.at)
    return low & 0x7F | high << 7


def decode_delta(data, old):
    octets, page, position = _Octets(data), bytearray(old), 0
    if not data:
        raise Malformed("delta without a segment")
    while octets.left():
        skip, length = _uvarint(octets), _uvarint(octets)
        if length == 0:
            raise Malformed("delta segment of length 0", octets.at)
        start, position = position + skip, position + skip + length
        if position > PAGE:
            raise Malformed(f"delta reaches octet {position} of the page", octets.at)
        for index, change in enumerate(octets.take(length), start):
            page[index] ^= change
    return bytes(page)


def decode_raw(data, _old):
    return bytes(data)


# coding: name, smallest and greatest length, decoder of (data, old page)
CODINGS = {
    0: ("ZERO", 0, 0, lambda data, old: ZERO_PAGE),
    1: ("RAW", PAGE, PAGE, decode_raw),
    2: ("LZ4", 1, PAGE - 1, lambda data, old: decode_lz4(data)),
    3: ("DELTA", 3, PAGE - 1, decode_delta),
}


class _Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def _load_xxhash():
    try:
        library = ctypes.CDLL("libxxhash.so.0")
        library.XXH3_createState.restype = ctypes.c_void_p
        library.XXH3_freeState.argtypes = [ctypes.c_void_p]
        library.XXH3_128bits_reset.argtypes = [ctypes.c_void_p]
        library.XXH3_128bits_update.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
        library.XXH3_128bits_digest.argtypes = [ctypes.c_void_p]
        library.XXH3_128bits_digest.restype = _Hash128
    except (OSError, AttributeError):
        return None
    return library


XXHASH = _load_xxhash()


class Digest:
    """XXH3-128 in canonical order; only where XXHASH is not None."""

    def __init__(self):
        self.state = XXHASH.XXH3_createState()
        if not self.state:
            raise MemoryError
        XXHASH.XXH3_128bits_reset(self.state)

    def __del__(self):
        XXHASH.XXH3_freeState(self.state)

    def feed(self, octets):
        XXHASH.XXH3_128bits_update(self.state, bytes(octets), len(octets))

    def value(self):
        result = XXHASH.XXH3_128bits_digest(self.state)
        return struct.pack(">QQ", result.high, result.low)


def image_digest(pages, count):
    """`pages`: page frame number to content; the others up to `count` are zeroes."""
    digest, done = Digest(), 0
    digest.feed(b"I")
    hole = bytes(256 * PAGE)
    for pfn in sorted(pages) + [count]:
        while done < pfn:
            run = min(256, pfn - done)
            digest.feed(hole[:run * PAGE])
            done += run
        if pfn < count:
            digest.feed(pages[pfn])
            done += 1
    return digest.value()
