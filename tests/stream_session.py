# SPDX-License-Identifier: GPL-2.0-or-later
"""One direction of a session, record after record: the rules of docs/protocol.md ("Order",
"Generation and sequence", "Epoch digest") as far as this direction alone shows them."""

import struct

import stream_codec
import stream_records
from stream_codec import Malformed
from stream_records import BACKUP, HEADER

START, GREETED, OPEN, IN_EPOCH, HANDED = "START", "GREETED", "OPEN", "IN_EPOCH", "HANDED"
# WELCOME comes by the other direction: after HELLO a primary may go on as if it had come.
PHASES = {
    "HELLO": {START}, "WELCOME": {START},
    "EPOCH_BEGIN": {GREETED, OPEN}, "PAGES": {IN_EPOCH}, "STATE": {IN_EPOCH}, "FRAMES": {IN_EPOCH},
    "ADDRS": {IN_EPOCH}, "EPOCH_END": {IN_EPOCH}, "BEAT": {GREETED, OPEN, IN_EPOCH, HANDED},
    "HANDOVER": {OPEN}, "ACK": {OPEN}, "BEAT_ACK": {OPEN}, "FRAMES_IN": {OPEN}, "HANDOVER_ACK": {OPEN},
}
# More than this is not hashed as a whole image: 4 GiB.
IMAGE_PAGES_MAX = 1 << 20
NO_DIGEST = "0" * 32


def at_field(reason, payload_offset=0):
    return Malformed(reason, HEADER.size + payload_offset)


class Epoch:
    def __init__(self, number, full, generation):
        self.number, self.full = number, full
        self.pages, self.frames, self.total, self.state = 0, 0, 0, bytearray()
        self.seen = set()
        self.digest = stream_codec.Digest() if stream_codec.XXHASH else None
        self.feed(struct.pack("<QQ", generation, number))

    def feed(self, *parts):
        if self.digest:
            self.digest.feed(b"".join(parts))


class Session:
    def __init__(self):
        self.direction, self.phase, self.generation = None, START, None
        self.records, self.octets, self.pages, self.frames = 0, 0, 0, 0
        self.features, self.pages_limit = 0, 0
        self.epoch, self.begun, self.ended, self.acked = None, 0, 0, 0
        self.image = {}
        self.bye = self.bye_ack = self.dead = False
        self.unchecked = []

    def take(self, record):
        """Checks the record and goes on to the state behind it."""
        self.check_place(record)
        message = stream_records.parse(record)
        self.records += 1
        self.octets += HEADER.size + len(record.payload)
        if message is not None:
            getattr(self, "take_" + record.name.lower())(record, message)

    def end(self):
        if self.records == 0:
            raise Malformed("no record at all")

    def summary(self):
        unfinished = self.begun if self.phase == IN_EPOCH else 0
        return {"direction": self.direction, "records": self.records, "octets": self.octets,
                "epochs": self.ended, "unfinished_epoch": unfinished, "acked": self.acked,
                "pages": self.pages, "frames": self.frames, "unchecked": self.unchecked}

    def not_checked(self, what):
        if what not in self.unchecked:
            self.unchecked.append(what)

    # ---- what the header alone decides ----

    def check_place(self, record):
        if self.dead:
            raise Malformed(f"{record.name} after REJECT", 4)
        if record.sequence != self.records:
            raise Malformed(f"sequence is {record.sequence}, {self.records} is next", 24)
        if record.type in stream_records.TYPES:
            self.check_direction(record)
            self.check_order(record)
        self.check_generation(record)

    def check_direction(self, record):
        senders = stream_records.TYPES[record.type][1]
        if self.direction is None and len(senders) == 1:
            self.direction, = senders
        elif self.direction is None and record.name != "REJECT":
            self.direction = BACKUP  # BYE and BYE_ACK may come before WELCOME, but not before HELLO
        elif self.direction is not None and self.direction not in senders:
            raise Malformed(f"{record.name} in the {self.direction}'s direction", 4)

    def check_order(self, record):
        if record.name == "REJECT":
            return
        if record.name in ("BYE", "BYE_ACK"):
            wrong = self.bye_ack or (self.bye and record.name == "BYE")
        else:
            wrong = self.bye or self.bye_ack or self.phase not in PHASES[record.name]
        if wrong:
            closing = ", closing" if self.bye or self.bye_ack else ""
            raise Malformed(f"{record.name} in phase {self.phase}{closing}", 4)

    def check_generation(self, record):
        if record.name == "REJECT":
            return
        if self.generation is None:
            if record.generation == 0:
                raise Malformed("generation is 0", 16)
            self.generation = record.generation
        elif record.generation != self.generation:
            raise Malformed(f"generation is {record.generation}, the session's is {self.generation}", 16)

    # ---- primary to backup ----

    def take_hello(self, _record, message):
        self.features, self.pages_limit = message["features"], message["pages"]
        self.phase = GREETED

    def take_epoch_begin(self, _record, message):
        full = bool(message["flags"] & 1)
        if message["epoch"] != self.begun + 1:
            raise at_field(f"epoch {message['epoch']} begins after epoch {self.begun}")
        if message["epoch"] == 1 and not full:
            raise at_field("the first epoch is not FULL", 8)
        self.begun = message["epoch"]
        self.epoch = Epoch(self.begun, full, self.generation)
        self.phase = IN_EPOCH

    def in_epoch(self, record, message):
        if message["epoch"] != self.epoch.number:
            raise at_field(f"{record.name} of epoch {message['epoch']} in epoch {self.epoch.number}")
        return self.epoch

    def take_pages(self, record, message):
        epoch = self.in_epoch(record, message)
        if message["features_needed"] & ~self.features:
            raise at_field("page coding that was never offered", 14)
        for page in message["pages"]:
            self.take_page(epoch, page)
        self.pages += len(message["pages"])
        epoch.pages += len(message["pages"])

    def take_page(self, epoch, page):
        pfn = page["pfn"]
        if pfn >= self.pages_limit:
            raise at_field(f"page {pfn} of a VM of {self.pages_limit} pages", page["at"])
        if pfn in epoch.seen and not epoch.full:
            raise at_field(f"page {pfn} twice in epoch {epoch.number}", page["at"])
        epoch.seen.add(pfn)
        name, _, _, decode = stream_codec.CODINGS[page["coding"]]
        try:
            content = decode(page["data"], self.image.get(pfn, stream_codec.ZERO_PAGE))
        except Malformed as error:
            raise at_field(f"page {pfn}, {name}: {error.reason}", page["at"] + error.offset) from None
        self.image[pfn] = content
        epoch.feed(b"P", struct.pack("<Q", pfn), content)

    def take_state(self, record, message):
        epoch = self.in_epoch(record, message)
        if message["offset"] != len(epoch.state):
            raise at_field(f"state from octet {message['offset']}, {len(epoch.state)} is next", 12)
        if epoch.state and message["total"] != epoch.total:
            raise at_field(f"total is {message['total']}, was {epoch.total}", 8)
        epoch.total = message["total"]
        epoch.state += message["data"]

    def take_frames(self, record, message):
        epoch = self.in_epoch(record, message)
        for frame in message["frames"]:
            epoch.feed(b"F", struct.pack("<I", len(frame)), frame)
        self.frames += len(message["frames"])
        epoch.frames += len(message["frames"])

    def take_addrs(self, record, message):
        self.in_epoch(record, message)

    def take_epoch_end(self, record, message):
        epoch = self.in_epoch(record, message)
        if not epoch.state or len(epoch.state) != epoch.total:
            raise at_field(f"epoch {epoch.number} ends with {len(epoch.state)} of {epoch.total} "
                           "octets of state")
        for what, at, found in (("pages", 8, epoch.pages), ("frames", 16, epoch.frames)):
            if message[what] != found:
                raise at_field(f"epoch {epoch.number} names {message[what]} {what}, has {found}", at)
        epoch.feed(b"S", struct.pack("<I", epoch.total), epoch.state)
        self.check_digests(epoch, message)
        self.ended, self.epoch, self.phase = epoch.number, None, OPEN

    def check_digests(self, epoch, message):
        if not epoch.digest:
            self.not_checked("digests: libxxhash.so.0 is missing")
            return
        found = epoch.digest.value().hex()
        if found != message["digest"]:
            raise at_field(f"digest of epoch {epoch.number} is {message['digest']}, its content "
                           f"gives {found}", 24)
        if message["image_digest"] == NO_DIGEST:
            return
        if self.pages_limit > IMAGE_PAGES_MAX:
            self.not_checked("image digests: the VM has too many pages")
            return
        found = stream_codec.image_digest(self.image, self.pages_limit).hex()
        if found != message["image_digest"]:
            raise at_field(f"image digest of epoch {epoch.number} is {message['image_digest']}, the "
                           f"image gives {found}", 40)

    def take_beat(self, _record, _message):
        pass

    def take_handover(self, _record, message):
        planned = message["reason"] == 1
        if message["epoch"] > self.ended or (planned and message["epoch"] != self.ended):
            raise at_field(f"HANDOVER of epoch {message['epoch']}, the last one ended is {self.ended}")
        self.phase = HANDED

    # ---- backup to primary ----

    def take_welcome(self, _record, _message):
        self.phase = OPEN

    def take_ack(self, _record, message):
        if message["epoch"] <= self.acked:
            raise at_field(f"ACK {message['epoch']} after ACK {self.acked}")
        self.acked = message["epoch"]

    def take_beat_ack(self, _record, message):
        if message["epoch"] != self.acked:
            raise at_field(f"BEAT_ACK names epoch {message['epoch']}, the last ACK was {self.acked}")

    def take_frames_in(self, _record, message):
        if message["epoch"] != 0:
            raise at_field(f"FRAMES_IN of epoch {message['epoch']}")

    def take_handover_ack(self, _record, message):
        if message["epoch"] != self.acked or self.acked == 0:
            raise at_field(f"HANDOVER_ACK of epoch {message['epoch']}, the last ACK was {self.acked}")
        if message["generation"] <= self.generation:
            raise at_field("HANDOVER_ACK does not raise the generation", 8)
        self.phase = HANDED

    # ---- both ----

    def take_reject(self, _record, _message):
        self.dead = True

    def take_bye(self, _record, _message):
        self.bye = True

    def take_bye_ack(self, _record, _message):
        self.bye_ack = True
