# SPDX-License-Identifier: GPL-2.0-or-later
"""Host A loses its power while clients talk to the guest on it, at moments that differ in what the backup
holds: nothing whole yet; just the first epoch; half of a capture, the guest standing still; an epoch whole and
not sealed; one sealed, its output not yet let out; any. No line may be lost or repeated, and the guest's memory must be of one moment.
"""

from lablib.fixture import at_random, until
from lablib.scene import Strike

EPOCHS_BEFORE = 5
LONG_MS, SHORT_MS = 300_000, 5000  # the backup's process is to go on afterwards
RANDOM_S = 4


def in_first_copy(scene):
    p = scene.ready()
    assert p.ask_protect()["ok"]
    p.wait("B", lambda status: status and status["state"] == "receiving")
    assert scene.domains("B"), "there is no domain that the copy goes to"
    scene.kill_primary()
    until("the half-built domain is gone", lambda: not scene.domains("B"))
    status = p.wait("B", lambda status: status and status["state"] == "failed")
    assert not status["protected"] and "link-lost" in [d["cause"] for d in status["degraded"]], status
    assert not p.events("B", "takeover"), "half a copy was resumed"


def right_after_the_first_seal(scene):
    p = scene.ready()
    talk = scene.talk()
    assert p.ask_protect()["ok"]
    p.wait("B", lambda status: status and status["protected"])
    scene.kill_primary()
    scene.check_took_over(talk)


def held_at(scene, daemon, point, stay_ms):
    """The VM's process stays at that point of an epoch for a while; the power goes meanwhile."""
    p = scene.ready()
    strike = Strike(p, daemon, f"{point}:{EPOCHS_BEFORE}:sleep-ms={stay_ms}")
    talk = scene.talk()
    assert p.ask_protect()["ok"]
    strike.wait()
    scene.kill_primary()
    scene.check_took_over(talk)


def at_any_moment(scene):
    scene.protected()
    talk = scene.talk(connections=6)
    at_random(RANDOM_S, "the power goes")
    scene.kill_primary()
    scene.check_took_over(talk)


TESTS = [("A dies in the first copy: nothing is resumed, nothing is left", in_first_copy),
         ("A dies when an epoch is whole at the backup and not yet sealed",
          lambda scene: held_at(scene, "backupd", "backup_epoch_end", SHORT_MS)),
         ("A dies at any moment, under load", at_any_moment)]
MISHAPS = [("A dies right after the first seal", right_after_the_first_seal),
           ("A dies with the guest standing still and an epoch half captured",
            lambda scene: held_at(scene, "remusd", "primary_pages_copied", LONG_MS)),
           ("A dies when an epoch is sealed and its output not yet let out",
            lambda scene: held_at(scene, "backupd", "backup_acked", SHORT_MS))]
