#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""I1 and the seal, seen from outside at the one instant that tells: an epoch is wholly at the backup, verified, and
not yet sealed. Nothing of it may have left, and the primary may not have been told."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checks import Station  # noqa: E402
from rig import Rig, wait_for  # noqa: E402
import tap  # noqa: E402

REFLECT = 0x88B5
EPOCH_S = 0.3
STOPS_AT = 8  # the epoch whose seal is held up: every epoch comes by once
SLEEP_MS = 5000
LOOK_S = 1.25  # so much less that a late look sees the same
PATIENT = {"detector_floor_ms": 15000, "detector_ceiling_ms": 20000}


class Stream:
    """Numbered frames to the guest, which reflects each at once; when each was sent and what has come back."""

    def __init__(self, rig, vm):
        self.station, self.mac = Station(rig), bytes.fromhex(vm.mac.replace(":", ""))
        self.sent, self.newest = {}, None

    def turn(self):
        number = len(self.sent)
        self.sent[number] = time.monotonic()
        self.station.send(self.mac, REFLECT, number.to_bytes(8, "big") + bytes(40))
        while (frame := self.station.receive(0.005)):
            if frame[16:22] == self.mac and frame[22:24] == REFLECT.to_bytes(2, "big"):
                self.newest = int.from_bytes(frame[24:32], "big")


def held_up(hold, point):
    with Rig() as rig:
        once = os.path.join(rig.dir, "once")
        env = {"REMUS_FAULT": f"{point}:{STOPS_AT}:sleep-ms={SLEEP_MS}", "REMUS_FAULT_ONCE": once}
        vm = rig.vm()
        b = rig.backupd(env=env, **PATIENT)
        a = rig.remusd(**PATIENT)
        stream = Stream(rig, vm)
        reply = a.call("protect", vm=vm.uuid, to=b.address, epoch_ms=int(EPOCH_S * 1000), hold=hold)
        assert reply["ok"], reply
        end = time.monotonic() + 30
        while not os.path.exists(once):
            assert time.monotonic() < end, f"{point} was not reached"
            stream.turn()
        seen = time.monotonic()
        assert stream.newest is not None, "the stream was not served before"
        age = seen - stream.sent[stream.newest]
        # What was answered last was captured an epoch ago at least: half of one leaves room for a late look.
        assert age > EPOCH_S / 2, f"an answer {age:.3f} s old left before its epoch of {EPOCH_S} s was sealed"
        newest = stream.newest
        while time.monotonic() < seen + LOOK_S:
            stream.turn()
        assert stream.newest == newest, "output left while the seal was held up"
        status = a.status(vm.uuid)
        assert status["epoch"] == STOPS_AT - 1, f"the primary was told of epoch {status['epoch']}"
        wait_for("the seal comes, and the output", lambda: stream.turn() or stream.newest > newest, 30)
        wait_for("protected still", lambda: a.state(vm.uuid) == "protected")


if __name__ == "__main__":
    sys.exit(tap.run([(f"nothing leaves before the seal, hold={h}, at {p}", lambda h=h, p=p: held_up(h, p))
                      for h in ("backup", "primary") for p in ("backup_epoch_end", "backup_verified")]))
