# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's frames, seen on the cable: nothing leaves before the seal, whatever its kind; and when the hosts
lose each other, never two of them speak for the guest."""

import functools

from lablib.fixture import until
from lablib.scene import GUEST_VLAN, LIVELY, Strike
from lablib.station import KINDS, Station, Voices

HELD_EPOCH = 6      # all of it is at the backup, and it is not sealed
HELD_MS = 8000
SILENCE_S = 2.0
ASK_S = 0.3
EPOCH_MS = 2000


def all_kinds(station):
    """The guest answers each kind of question."""
    station.ask()
    station.hear(ASK_S)
    return all(station.answered.values())


def heard_of_each(station, rounds):
    """An answer of each kind to one of these rounds."""
    station.hear(ASK_S)
    return all(station.answered[kind] & rounds for kind in KINDS)


def asked_until(strike, station, p):
    """Round to the number of epochs that were sealed before it was asked, at least."""
    asked = {}
    while not strike.fired():
        sealed = (p.status("B") or {}).get("epochs_sealed", 0)
        asked[station.ask()] = sealed
    return asked


def held_at_backup(scene):
    """All of an epoch is at the backup and not sealed. What was asked when the epoch before was sealed is answered in
    this one or later."""
    p = scene.patient(epoch_ms=EPOCH_MS)
    strike = Strike(p, "backupd", f"backup_epoch_end:{HELD_EPOCH}:sleep-ms={HELD_MS}")
    p.protect(hold="backup")
    station = Station(scene.lab, GUEST_VLAN)
    asked = asked_until(strike, station, p)
    station.hear(SILENCE_S)
    held = {number for number, sealed in asked.items() if sealed >= HELD_EPOCH - 1}
    early = {kind: rounds & held for kind, rounds in station.answered.items() if rounds & held}
    assert held and not early, f"rounds {held} belong to an epoch that is not sealed; left before: {early}"
    until("each kind of answer comes after the seal", lambda: heard_of_each(station, held))
    station.close()


def held_at_primary(scene):
    """The link is cut, so that nothing can be sealed; the guest is still reached and answers."""
    p = scene.patient(epoch_ms=EPOCH_MS)
    p.protect(hold="primary")
    station = Station(scene.lab, GUEST_VLAN)
    until("each kind of question is answered while protected", lambda: all_kinds(station))
    scene.lab.set_link("repl", False)
    held = set()
    until("answers wait at A",
          lambda: held.add(station.ask()) or p.status("A")["held_frames"] >= 2 * len(KINDS))
    station.hear(SILENCE_S)
    early = {kind: rounds & held for kind, rounds in station.answered.items() if rounds & held}
    assert not early, f"left before the seal: {early}"
    scene.lab.set_link("repl", True)
    until("each kind of answer comes after the seal", lambda: heard_of_each(station, held))
    station.close()


def two_voices_never(hold, speaker, scene):
    """Frames leave at the speaker; at B when A's lease is over. The stale copy ends when the link is back."""
    p = scene.ready()
    p.protect(hold=hold)
    talk = scene.talk()
    voices = Voices(scene.lab)
    talk.more()
    assert set(voices.listen()) == {speaker}, f"with hold={hold} only {speaker} is heard"
    scene.lab.set_link("repl", False)
    p.wait("B", lambda status: status["state"] == "active")
    talk.more()
    assert scene.domains("A") == ["guest"], "the stale copy still waits at A"
    heard = voices.listen()
    first_of_b = heard.index("B")
    assert "A" not in heard[first_of_b:], f"A spoke again after B: {heard[first_of_b:]}"
    scene.lab.set_link("repl", True)
    until("the stale copy at A is destroyed", lambda: not scene.domains("A"))
    talk.more(LIVELY)
    assert "A" not in voices.listen()[first_of_b:], "A spoke after the link was back"
    scene.check_took_over(talk)
    voices.close()


TESTS = [("no frame of any kind leaves before the seal, held at the backup", held_at_backup),
         ("never two voices while the link is cut, and after, held at the backup",
          functools.partial(two_voices_never, "backup", "B")),
         ("never two voices while the link is cut, and after, held at the primary",
          functools.partial(two_voices_never, "primary", "A"))]
MISHAPS = [("no frame of any kind leaves before the seal, held at the primary", held_at_primary)]
