#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Second reader of the replication protocol, written from docs/protocol.md.

dump shows the records of a recorded stream one by one, whatever their order. verify checks one
direction of one session from its first record on: layout, CRC, sequence, generation, order, epochs,
counts, every page's coding, and the digests.

Exit status: 0 good; 1 bad, with octet and reason; 2 wrong usage or unreadable file; 3 good as far as
it was checked, but digests were not.
"""

import argparse
import json
import sys
from pathlib import Path

import stream_records
from stream_codec import Malformed
from stream_session import Session

GOOD, BAD, USAGE, UNCHECKED = 0, 1, 2, 3
SHOWN_OCTETS = 16


def shorten(value):
    """Something that JSON can hold and a person can read."""
    if isinstance(value, bytes):
        more = f"+{len(value) - SHOWN_OCTETS}" if len(value) > SHOWN_OCTETS else ""
        return value[:SHOWN_OCTETS].hex() + more
    if isinstance(value, list):
        return [shorten(item) for item in value]
    if isinstance(value, dict):
        return {key: shorten(item) for key, item in value.items() if key != "at"}
    return value


def show_record(record, message, as_json):
    line = {"offset": record.offset, "type": record.name, "length": len(record.payload),
            "generation": record.generation, "sequence": record.sequence, **shorten(message or {})}
    if as_json:
        print(json.dumps(line))
    else:
        print(" ".join(f"{value}" if key == "type" else f"{key}={value}" for key, value in line.items()))


def show_error(name, offset, error, as_json):
    where = offset + error.offset
    if as_json:
        print(json.dumps({"file": name, "ok": False, "offset": where, "error": error.reason}))
    else:
        print(f"{name}: octet {where}: {error.reason}")
    return BAD


def dump(name, data, as_json):
    offset = 0
    try:
        while offset < len(data):
            record, end = stream_records.read_record(data, offset)
            show_record(record, stream_records.parse(record), as_json)
            offset = end
    except Malformed as error:
        return show_error(name, offset, error, as_json)
    return GOOD


def show_summary(name, session, as_json):
    summary = {"file": name, "ok": True, **session.summary()}
    if as_json:
        print(json.dumps(summary))
        return
    print(f"{name}: good: " + ", ".join(f"{key} {value}" for key, value in summary.items()
                                        if key not in ("file", "ok", "unchecked")))
    for what in session.unchecked:
        print(f"{name}: not checked: {what}")


def verify(name, data, as_json):
    session, offset = Session(), 0
    try:
        while offset < len(data):
            record, end = stream_records.read_record(data, offset)
            session.take(record)
            offset = end
        session.end()
    except Malformed as error:
        return show_error(name, offset, error, as_json)
    show_summary(name, session, as_json)
    return UNCHECKED if session.unchecked else GOOD


def arguments():
    text, status = __doc__.split("\n\nExit status: ")
    parser = argparse.ArgumentParser(description=text, epilog="Exit status: " + status)
    parser.add_argument("--json", action="store_true", help="one JSON object per record or file")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("dump", help="show the records of a file")
    one.add_argument("files", metavar="FILE", nargs=1)
    many = commands.add_parser("verify", help="check recorded streams")
    many.add_argument("files", metavar="FILE", nargs="+")
    for command in (one, many):
        command.add_argument("--json", action="store_true", default=argparse.SUPPRESS,
                             help="one JSON object per record or file")
    return parser.parse_args()


def main():
    args = arguments()
    statuses = []
    for name in args.files:
        try:
            data = Path(name).read_bytes()
        except OSError as error:
            print(f"verify_stream: {name}: {error.strerror}", file=sys.stderr)
            statuses.append(USAGE)
            continue
        statuses.append((dump if args.command == "dump" else verify)(name, data, args.json))
    for status in (USAGE, BAD, UNCHECKED):
        if status in statuses:
            return status
    return GOOD


if __name__ == "__main__":
    sys.exit(main())
