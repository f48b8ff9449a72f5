# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver in a protected guest that answers late: Xen does not run its CPU, or its guest is paused. The engine waits
no longer than a stop may take, and again in the next one.

Nothing that the guest sends gets out meanwhile, for no epoch is sealed.
"""

import json

from cases.suspend import CALM_MS, LOAD, PARAMETERS, checkpoints, goes_on, guest, stopped_by
from lablib import engine_log
from lablib.fixture import until

STOP_MS = 1000
STOPS_MIN = 8  # more than a driver that is to blame is given
REFUSED_STOP_MS, REFUSED_EPOCH_MS = 2000, 5000  # there is time for a refusal between two stops
REQUESTS_MIN = 4  # refused; the last of five is given up on before
IN_VAIN, GIVEN_UP = "did not suspend within", "did not suspend it several times"
HOLD_LIMIT_S = 240
FUNCTIONS = """cpu="hold_cpu $(xl domid guest) 0"
status() {{ sleep 0.2; remusctl --json status guest >/run/said; }}
says() {{ status; grep -q "$1" /run/said; }}
missed() {{ status; grep -o '"missed_deadlines": *[0-9]*' /run/said; }}
"""
HOLD = FUNCTIONS + "$cpu on; until says '{words}'; do :; done; {then}; $cpu off; cat /run/said"
HOLD_EACH = FUNCTIONS + """
until says '{words}'; do
    before=$(missed); $cpu on
    until [ "$(missed)" != "$before" ]; do :; done
    $cpu off
done; cat /run/said"""


def asked_by_driver(scene, stop_ms=STOP_MS, epoch_ms=CALM_MS):
    """The guest is protected, its driver in use. Returns the clients' conversation."""
    p = scene.patient(stop_timeout_ms=stop_ms)
    scene.bring("A", "hold_cpu")
    guest(scene, LOAD)
    p.protect(epoch_ms, suspend="auto")
    stopped_by(scene, "driver")
    return scene.talk()


def held(scene, words, then="true", how=HOLD):
    """Xen does not run the guest until remusd's status has these words, and this is done; that status is returned."""
    said = scene.protection.must_run("A", how.format(words=words, then=then), HOLD_LIMIT_S)
    return json.loads(said)["vms"][0]


def check_given_up(said):
    """The session goes on, with the kernel's help, and why is said."""
    assert said["protected"] and said["suspend"]["mode"] == "cooperative", said
    assert GIVEN_UP in said["suspend"]["why"], said
    assert "suspend" in [reason["cause"] for reason in said["degraded"]], said


def check_tried_again(scene, said):
    p = scene.protection
    p.wait("A", lambda now: now["epochs_sealed"] > said["epochs_sealed"])
    assert stopped_by(scene, "driver")["generation"] == said["generation"], "the session was lost over it"
    assert engine_log.count(p, GIVEN_UP, "warn") == 1


def check_not_given_up(scene, said):
    p = scene.protection
    assert said["suspend"]["mode"] == "driver", said
    assert stopped_by(scene, "driver")["generation"] == said["generation"], "the session was lost over it"
    before = checkpoints(scene)
    until("it suspends the guest", lambda: checkpoints(scene) > before)
    assert not engine_log.count(p, GIVEN_UP)


def suspends_late(scene):
    """The request is good until it is obeyed: the guest is resumed then."""
    talk = asked_by_driver(scene)
    check_not_given_up(scene, held(scene, IN_VAIN))
    goes_on(scene, talk)


def silent(scene):
    talk = asked_by_driver(scene)
    said = held(scene, GIVEN_UP)
    check_given_up(said)
    check_tried_again(scene, said)
    goes_on(scene, talk)


def paused(scene):
    """A guest that is paused cannot answer, for which its driver is not to blame."""
    talk, p = asked_by_driver(scene), scene.protection
    goal = p.status("A")["missed_deadlines"] + STOPS_MIN
    p.must_run("A", "xl pause guest")
    said = p.wait("A", lambda now: now["missed_deadlines"] >= goal)
    assert IN_VAIN in [reason["text"] for reason in said["degraded"] if reason["cause"] == "capture"][0], said
    p.must_run("A", "xl unpause guest")
    check_not_given_up(scene, said)
    goes_on(scene, talk)


def refuses_late(scene):
    """Each request is refused when the stop in which it was made is over."""
    talk = asked_by_driver(scene, REFUSED_STOP_MS, REFUSED_EPOCH_MS)
    guest(scene, f"echo 0 >{PARAMETERS}/rendezvous_limit_ms")
    said = held(scene, GIVEN_UP, how=HOLD_EACH)
    check_given_up(said)
    scene.protection.wait("A", lambda now: now["epochs_sealed"] > said["epochs_sealed"])
    assert int(guest(scene, f"cat {PARAMETERS}/late")) >= REQUESTS_MIN
    guest(scene, f"echo 1000 >{PARAMETERS}/rendezvous_limit_ms")
    check_tried_again(scene, said)
    goes_on(scene, talk)


def agent_dies(scene):
    """With its end of the channel, while the driver has yet to answer: the next process asks anew."""
    talk, p = asked_by_driver(scene), scene.protection
    before = p.status("A")
    held(scene, IN_VAIN, f"kill -9 {before['pid']}")
    scene.check_protected_again(after=before["generation"])
    stopped_by(scene, "driver")
    goes_on(scene, talk)
    assert engine_log.count(p, engine_log.DEATH) == 1


TESTS = [("a driver whose CPU Xen does not run for a while suspends late: the guest is resumed", suspends_late),
         ("a driver whose CPU Xen does not run: given up, and tried again", silent),
         ("a guest that is paused: its driver is not given up", paused),
         ("a driver that refuses late: given up, and tried again", refuses_late),
         ("kill -9 of remusd's child while the driver has yet to answer", agent_dies)]
