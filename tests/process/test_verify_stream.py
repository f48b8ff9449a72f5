#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The second reader takes what is right and refuses everything else."""

import json
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

import stream_codec  # noqa: E402
import stream_records  # noqa: E402
import tap  # noqa: E402
from stream_build import (GENERATION, addrs, begin, digest, end, frames, hello, page, pages,  # noqa: E402
                          seal, state, stream, text)
from stream_build import digest_frame as F, digest_page as P, digest_state as S  # noqa: E402
from stream_codec import Malformed  # noqa: E402
from stream_session import Session  # noqa: E402

READER = TESTS / "verify_stream.py"
GOLDEN = TESTS / "golden"
FLIPS_PER_FILE = 400
FRAME = bytes(10) + b"\xff" * 6 + b"\x02" + bytes(5) + b"\x08\x06" + b"who has"
PATTERN = bytes(range(256)) * 16
# 1 literal, a match of 4090 octets that repeats it, 5 literals
ONES_LZ4 = b"\x1f\x01\x01\x00" + b"\xff" * 15 + bytes([4090 - 19 - 15 * 255]) + b"\x50" + b"\x01" * 5
CHANGED = bytes([1, 1, 0x0E]) + bytes([1]) * 4092 + bytes([0xFE])
BEAT = ("BEAT", bytes(8))
BYE = ("BYE", struct.pack("<H", 2) + text(b"restart"))
BYE_ACK = ("BYE_ACK", b"")
EPOCH1 = [
    begin(1, 1), pages(1, page(0, 0, b""), page(1, 1, PATTERN), page(5, 2, ONES_LZ4)), addrs(),
    state(1, 6, 0, b"regi"), frames(1, FRAME, FRAME), BEAT, state(1, 6, 4, b"st"),
    end(1, 3, 2, P(0, bytes(4096)), P(1, PATTERN), P(5, b"\x01" * 4096), F(FRAME), F(FRAME), S(b"regist"),
        image=digest(b"I", bytes(4096), PATTERN, bytes(3 * 4096), b"\x01" * 4096, bytes(2 * 4096)))]
EPOCH2 = [
    begin(2), pages(2, page(5, 3, bytes([2, 1, 0x0F]) + b"\xfc\x1f\x01\xff")), state(2, 1, 0, b"s"),
    end(2, 1, 0, P(5, CHANGED), S(b"s"))]
WHOLE = [hello(), *EPOCH1, *EPOCH2, BEAT, ("HANDOVER", struct.pack("<QB", 2, 1)), BEAT, BYE, BYE_ACK]
WELCOME = ("WELCOME", struct.pack("<HIIQ", 1, 3, 500, 4096))
ANSWERS = [WELCOME, ("ACK", struct.pack("<QQI", 1, 5, 500)), frames(0, FRAME, kind="FRAMES_IN"),
           ("BEAT_ACK", struct.pack("<QQI", 1, 5, 0)), ("ACK", struct.pack("<QQI", 3, 5, 500)),
           ("HANDOVER_ACK", struct.pack("<QQ", 3, GENERATION + 1)), BYE_ACK]


def problem(data):
    """None, or (octet, reason) of what the reader has against the stream."""
    session, offset = Session(), 0
    try:
        while offset < len(data):
            record, following = stream_records.read_record(data, offset)
            session.take(record)
            offset = following
        session.end()
    except Malformed as error:
        return offset + error.offset, error.reason
    return None


def run_reader(*arguments):
    done = subprocess.run([READER, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def in_file(data, *arguments):
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return run_reader(*arguments, file.name)


def takes_whole_sessions():
    good = 0 if stream_codec.XXHASH else 3
    assert in_file(stream(*WHOLE), "verify")[0] == good, in_file(stream(*WHOLE), "verify")
    status, output, _ = in_file(stream(*WHOLE), "verify", "--json")
    summary = json.loads(output)
    assert status == good and summary["ok"], summary
    assert (summary["epochs"], summary["pages"], summary["frames"]) == (2, 4, 2), summary
    status, output, _ = in_file(stream(*ANSWERS), "--json", "verify")
    assert status == 0 and json.loads(output)["acked"] == 3, output


def takes_unusual_but_legal_ones():
    for name, records in {
            "unfinished epoch": WHOLE[:4],
            "only a REJECT": [("REJECT", struct.pack("<HQ", 1, 9) + text(b"no"))],
            "BYE before WELCOME": [BYE],
            "optional type": [hello(), (0x8123, b"anything"), *EPOCH1],
            "later HELLO": [hello(version=(1, 2), tail=b"more"), *EPOCH1],
            "page again in FULL": [hello(), begin(1, 1), pages(1, page(2, 1, PATTERN)),
                                   pages(1, page(2, 3, b"\x00\x01\x09")), state(1, 1, 0, b"s"),
                                   end(1, 2, 0, P(2, PATTERN), P(2, b"\x09" + PATTERN[1:]), S(b"s"))],
            "BYE both ways": [hello(), BYE, BYE_ACK]}.items():
        assert problem(stream(*records)) is None, (name, problem(stream(*records)))


def epoch_with(*records):
    return [hello(), begin(1, 1), *records]


def one_page(*item):
    return epoch_with(pages(1, page(*item)))


BAD = {
    "no record at all": [],
    "HELLO in phase GREETED": [hello(), hello()],
    "EPOCH_BEGIN in phase START": EPOCH1,
    "epoch 2 begins after epoch 0": [hello(), begin(2, 1)],
    "first epoch is not FULL": [hello(), begin(1)],
    "PAGES in phase GREETED": [hello(), pages(1, page(0, 0, b""))],
    "PAGES of epoch 2 in epoch 1": epoch_with(pages(2, page(0, 0, b""))),
    "page 8 of a VM of 8 pages": one_page(8, 0, b""),
    "page 5 twice in epoch 2": WHOLE[:9] + [begin(2), pages(2, page(5, 0, b""), page(5, 0, b""))],
    "coding is 4": one_page(1, 4, b""),
    "never offered": [hello(features=1), begin(1, 1), pages(1, page(5, 2, ONES_LZ4))],
    "length of a page is 1, allowed: 0..0": one_page(1, 0, b"x"),
    "length of a page is 4095, allowed: 4096": one_page(1, 1, PATTERN[1:]),
    "decodes to 4095 octets": one_page(1, 2, ONES_LZ4[:-6] + b"\x40" + b"\x01" * 4),
    "LZ4 offset 2 after 1": one_page(1, 2, ONES_LZ4[:2] + b"\x02" + ONES_LZ4[3:]),
    "LZ4 offset 0": one_page(1, 2, ONES_LZ4[:2] + b"\x00" + ONES_LZ4[3:]),
    "run longer than a page": one_page(1, 2, b"\xf0" + b"\xff" * 20),
    "LZ4: .* octets wanted": one_page(1, 2, ONES_LZ4[:-2]),
    "length 0": one_page(1, 3, b"\x00\x00\x00"),
    "uvarint longer than needed": one_page(1, 3, b"\x80\x00\x01\x01"),
    "more than two octets": one_page(1, 3, b"\x80\x80\x01\x01"),
    "delta reaches octet 4097": one_page(1, 3, b"\xff\x1f\x02\x01\x01"),
    "DELTA: .* octets wanted": one_page(1, 3, b"\x00\x04\x01"),
    "state from octet 1, 0 is next": epoch_with(state(1, 4, 1, b"abc")),
    "passes the total": epoch_with(state(1, 4, 0, b"abcde")),
    "total is 5, was 4": epoch_with(state(1, 4, 0, b"ab"), state(1, 5, 2, b"c")),
    "ends with 0 of 0": epoch_with(end(1, 0, 0)),
    "ends with 2 of 4": epoch_with(state(1, 4, 0, b"ab"), end(1, 0, 0)),
    "names 1 pages, has 0": epoch_with(state(1, 1, 0, b"a"), end(1, 1, 0, S(b"a"))),
    "names 1 frames, has 0": epoch_with(state(1, 1, 0, b"a"), end(1, 0, 1, S(b"a"))),
    "length of a frame is 23": epoch_with(frames(1, FRAME, bytes(23))),
    "family is 5": epoch_with(("ADDRS", addrs()[1].replace(b"\x04\x00\x00\x00\x02", b"\x05\x00\x00\x00\x02"))),
    "IPv4 address with": epoch_with(("ADDRS", addrs()[1][:-1] + b"\x01")),
    "HANDOVER of epoch 2": WHOLE[:9] + [("HANDOVER", struct.pack("<QB", 2, 2))],
    "EPOCH_BEGIN in phase HANDED": WHOLE[:15] + [begin(3)],
    "BEAT in phase HANDED, closing": WHOLE[:17] + [BEAT],
    "HELLO after REJECT": [("REJECT", struct.pack("<HQ", 1, 9) + text(b"no")), hello()],
    "ACK in the primary": [hello(), ANSWERS[1]],
    "BEAT in the backup": [WELCOME, BEAT],
    "ACK 1 after ACK 1": [WELCOME, ANSWERS[1], ANSWERS[1]],
    "BEAT_ACK names epoch 1": [WELCOME, ANSWERS[3]],
    "FRAMES_IN of epoch 1": [WELCOME, frames(1, FRAME, kind="FRAMES_IN")],
    "does not raise the generation": [WELCOME, ANSWERS[1],
                                      ("HANDOVER_ACK", struct.pack("<QQ", 1, GENERATION))],
    "ACK in phase HANDED": ANSWERS[:6] + [("ACK", struct.pack("<QQI", 4, 5, 500))],
    "unknown record type 63": [hello(), (63, b"")],
    "control character": [hello(), ("BYE", struct.pack("<H", 2) + text(b"a\nb"))],
    "not UTF-8": [hello(), ("BYE", struct.pack("<H", 2) + text(b"a\xc0\x80"))],
    "octets left over": [hello(tail=b"x")],
    "19 octets of payload": [hello(), ("EPOCH_BEGIN", begin(1, 1)[1][:-1])],
}


def refuses_what_breaks_a_rule():
    for expected, records in BAD.items():
        found = problem(stream(*records))
        assert found and re.search(expected, found[1]), (expected, found)


def refuses_wrong_headers():
    first = stream(hello())
    for expected, data in {
            "sequence is 2": first + seal(*begin(1, 1), 2),
            "generation is 8": first + seal(*begin(1, 1), 1, GENERATION + 1),
            "generation is 0": seal(*hello(), 0, 0),
            "where a record header": first + b"RMS1",
            "behind the end of the stream": first[:-1]}.items():
        found = problem(data)
        assert found and re.search(expected, found[1]), (expected, found)


def refuses_wrong_digests():
    if not stream_codec.XXHASH:
        raise tap.SkipTest("no libxxhash.so.0")
    for at, name in ((24, "digest of epoch 1"), (40, "image digest of epoch 1")):
        payload = bytearray(EPOCH1[-1][1])
        payload[at] ^= 1
        found = problem(stream(hello(), *EPOCH1[:-1], ("EPOCH_END", bytes(payload))))
        assert found and found[1].startswith(name), found


def refuses_every_flipped_bit(data, step=1):
    for bit in range(0, 8 * len(data), step):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        found = problem(bytes(bad))
        assert found, f"bit {bit % 8} of octet {bit // 8} makes no difference"
        assert found[0] <= bit // 8 + stream_records.HEADER.size, (bit, found)


def refuses_every_flipped_bit_of_a_small_session():
    once = b"\x01" * 4096
    twice = b"\x01\x00" + once[2:]
    small = stream(
        hello(), begin(1, 1), pages(1, page(5, 2, ONES_LZ4), page(5, 3, b"\x01\x01\x01")),
        state(1, 1, 0, b"s"), frames(1, FRAME), addrs(),
        end(1, 2, 1, P(5, once), P(5, twice), F(FRAME), S(b"s")))
    assert problem(small) is None, problem(small)
    refuses_every_flipped_bit(small)


def says_where_and_leaves_with_one():
    data = stream(hello(), begin(1, 1), pages(1, page(8, 0, b"")))
    status, output, _ = in_file(data, "verify", "--json")
    where = len(stream(hello(), begin(1, 1))) + 32 + 14 + 12
    result = json.loads(output)
    assert status == 1 and not result["ok"] and result["offset"] == where, (where, result)
    status, output, _ = in_file(data, "verify")
    assert status == 1 and f"octet {where}: page 8" in output, output


def dump_shows_each_record():
    data = stream(*WHOLE)
    status, output, _ = in_file(data, "dump", "--json")
    lines = [json.loads(line) for line in output.splitlines()]
    assert status == 0 and [line["type"] for line in lines] == [kind for kind, _ in WHOLE]
    middle = seal(*EPOCH2[1], 99)
    assert in_file(middle, "dump")[0] == 0
    assert in_file(middle[:-1], "dump")[0] == 1


def usage_is_two():
    assert run_reader()[0] == 2
    assert run_reader("verify")[0] == 2
    assert run_reader("verify", "/nonexistent/stream")[0] == 2
    status, output, _ = run_reader("--help")
    assert status == 0 and "Exit status" in output


def golden_streams():
    files = sorted(GOLDEN.glob("*.stream"))
    if not files:
        raise tap.SkipTest("no tests/golden/*.stream")
    status, output, errors = run_reader("verify", *files)
    assert status == (0 if stream_codec.XXHASH else 3), output + errors
    for file in files:
        data = file.read_bytes()
        refuses_every_flipped_bit(data, max(1, 8 * len(data) // FLIPS_PER_FILE) | 1)


def golden_records():
    files = sorted(GOLDEN.glob("*.bin"))
    if not files:
        raise tap.SkipTest("no tests/golden/*.bin")
    for file in files:
        status, output, errors = run_reader("dump", file)
        assert status == 0, output + errors


if __name__ == "__main__":
    functions = (takes_whole_sessions, takes_unusual_but_legal_ones, refuses_what_breaks_a_rule,
                 refuses_wrong_headers, refuses_wrong_digests,
                 refuses_every_flipped_bit_of_a_small_session, says_where_and_leaves_with_one,
                 dump_shows_each_record, usage_is_two, golden_streams, golden_records)
    sys.exit(tap.run([(function.__name__, function) for function in functions]))
