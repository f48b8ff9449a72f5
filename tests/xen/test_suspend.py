#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# on-request
# time-limit-s: 3000
"""By what a protected guest is stopped: its kernel, or the driver in it, which may come, go, fail and lie."""

import random
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

from lablib import transfer  # noqa: E402
from lablib.fixture import until  # noqa: E402
from lablib.layout import LabError  # noqa: E402
from lablib.scene import Strike, run_cases  # noqa: E402
from lablib.selfchecks import SelfChecks  # noqa: E402

LOAD = "modprobe remus_suspend"
UNLOAD = "rmmod remus_suspend; ! grep -q ^remus_suspend /proc/modules"  # may be said twice
PARAMETERS = "/sys/module/remus_suspend/parameters"
NODE = "/local/domain/$(xl domid guest)/device/suspend/event-channel"
NOBODYS_PORT = 777
CALM_MS = 1000  # an emulated guest that is stopped all the time has little left for its clients
BRISK_MS = 300  # so short that a good part of all instants are in the middle of a checkpoint
EPOCHS_BEFORE = 5
INSTANTS, RANDOM_S = 5, 4
SAVE_LIMIT_S = 120  # xl save waits for 60 s where it does not fail at once


def guest(scene, command):
    """Runs a command in the guest; once more where the connection to it does not come about in time."""
    def attempt():
        try:
            return scene.lab.run_guest(command)
        except LabError as error:
            print(f"# once more: {error}")
            return None

    status, text = until(f"the guest: {command}", attempt)
    assert status == 0, f"guest: {command}: status {status}: {text}"
    return text.strip()


def checkpoints(scene):
    return int(guest(scene, f"cat {PARAMETERS}/checkpoints"))


def stopped_by(scene, mode, why="", degraded=False):
    """Waits until the guest is protected and stopped like that; `degraded`: and that is said to be a lack."""
    def so(status):
        causes = {reason["cause"] for reason in status["degraded"]}
        suspend = status["suspend"]
        return status["protected"] and suspend["mode"] == mode and why in (suspend["why"] or "") and \
            ("suspend" in causes) == degraded and causes <= {"suspend"}

    status = scene.protection.wait("A", so)
    assert (status["suspend"]["version"] is None) == (mode != "driver"), status["suspend"]
    return status


def goes_on(scene, talk):
    talk.more()
    talk.finish()
    scene.check_memory()


def with_driver(scene, name="driver", epoch_ms=CALM_MS):
    """The guest is protected, and stopped by its driver."""
    def make():
        protection = scene.ready()
        guest(scene, LOAD)
        protection.protect(epoch_ms, suspend="driver")
        stopped_by(scene, "driver")

    scene.start_over(name, make)
    return scene.protection


# ---- which way, and changes ----

def comes_and_goes(scene):
    p = scene.ready()
    p.protect(CALM_MS)
    talk = scene.talk()
    session = stopped_by(scene, "cooperative", "no driver")["generation"]
    guest(scene, LOAD)
    stopped_by(scene, "driver")
    until("it suspends the guest", lambda: checkpoints(scene) > EPOCHS_BEFORE)
    guest(scene, UNLOAD)
    stopped_by(scene, "cooperative", "no driver")
    guest(scene, LOAD)
    assert stopped_by(scene, "driver")["generation"] == session, "the session was lost over it"
    goes_on(scene, talk)


def only_when_wanted(scene):
    """Without one `driver` is refused, and `cooperative` leaves one alone."""
    p = scene.ready()
    reply = p.ask_protect(suspend="driver")
    assert not reply["ok"] and reply["code"] == "refused" and "no driver" in reply["error"], reply
    assert p.status("A") is None
    guest(scene, LOAD)
    p.protect(CALM_MS, suspend="cooperative")
    stopped_by(scene, "cooperative", "suspend = cooperative")
    assert checkpoints(scene) == 0


def lies(scene):
    """The node names a channel that is none."""
    p = scene.ready()
    p.must_run("A", f"xenstore-write {NODE}/version 0.1 {NODE}/capabilities restore {NODE} {NOBODYS_PORT}")
    reply = p.ask_protect(suspend="driver")
    assert not reply["ok"] and "closed" in reply["error"], reply
    assert p.ask_protect(CALM_MS)["ok"]
    stopped_by(scene, "cooperative", "closed", degraded=True)
    p.must_run("A", f"xenstore-write {NODE} ''")
    stopped_by(scene, "cooperative", "no driver")


def fails(scene):
    """It refuses each request: given up, and used again when it says something new."""
    with_driver(scene)
    talk = scene.talk()
    guest(scene, f"echo 0 >{PARAMETERS}/rendezvous_limit_ms")
    stopped_by(scene, "cooperative", "did not suspend", degraded=True)
    guest(scene, f"{UNLOAD}; {LOAD}")
    stopped_by(scene, "driver")
    goes_on(scene, talk)


# ---- others, and deaths ----

def another_tool_asks(scene):
    p = with_driver(scene)
    talk = scene.talk()
    status, text = p.lab.run("A", "xl save guest /run/guest.save", SAVE_LIMIT_S)
    assert status != 0, text
    talk.more()
    for _ in range(3):
        p.must_run("A", "xenstore-write /local/domain/$(xl domid guest)/control/shutdown suspend")
        until("it was obeyed", lambda: not p.must_run(
            "A", "xenstore-read /local/domain/$(xl domid guest)/control/shutdown").strip())
        talk.more()
    stopped_by(scene, "driver")
    goes_on(scene, talk)


def agent_dies_while_suspended(scene):
    """The next one cannot know who has stopped the guest, and resumes it all the same."""
    p = scene.ready()
    guest(scene, LOAD)
    strike = Strike(p, "remusd", f"primary_stopped:{EPOCHS_BEFORE}:kill")
    talk = scene.talk()
    p.protect(CALM_MS, suspend="driver")
    strike.wait()
    until("a new process has taken over", lambda: p.events("A", "child-died"))
    scene.check_protected_again(after=1)
    stopped_by(scene, "driver")
    goes_on(scene, talk)


def resumed_by_another_tool(scene):
    """While the guest is stopped for an epoch: what was read of it is of no one moment, and is not used."""
    p = with_driver(scene)
    talk = scene.talk()
    transfer.put(scene.lab, "A", [p.build / "helpers/xen/meddler"], "/usr/sbin", with_libraries=True)

    def noticed():
        p.must_run("A", "meddler intrude $(xl domid guest)")
        return [event for event in p.events("A") if "by another tool" in event["text"]]

    until("it is noticed", noticed)
    scene.check_protected_again()
    talk.more()
    scene.kill_primary()
    scene.check_took_over(talk)


def host_dies(scene):
    """At a random instant; the guest's driver works at the other host as well."""
    p = with_driver(scene, "brisk", BRISK_MS)
    checks = SelfChecks(scene.lab, lambda command: guest(scene, command))
    checks.start("vector", "clocks")
    talk, before = scene.talk(connections=6), checks.check()
    moment = random.uniform(0, RANDOM_S)
    print(f"# the power goes {moment:.3f} s later", flush=True)
    time.sleep(moment)
    scene.kill_primary()
    scene.check_took_over(talk)
    until("it is published there", lambda: p.must_run("B", f"xenstore-read {NODE}").strip())
    assert int(guest(scene, f"cat {PARAMETERS}/restores")) == 1
    checks.check_work(before)
    checks.stop("vector")
    checks.check_owed()


TESTS = [("a driver is loaded, unloaded and loaded while the guest is protected", comes_and_goes),
         ("driver is refused where there is none, cooperative does not use one", only_when_wanted),
         ("a node that names no channel: told, and the kernel is asked", lies),
         ("a driver that refuses is given up, and used again when loaded anew", fails),
         ("xl save and a request to the kernel while the driver is in use", another_tool_asks),
         ("kill -9 of remusd's child while the driver holds the guest suspended", agent_dies_while_suspended),
         ("another tool resumes the guest while it is stopped for an epoch", resumed_by_another_tool),
         *[(f"A dies while the driver is in use, instant {n} of {INSTANTS}", host_dies)
           for n in range(1, INSTANTS + 1)]]

if __name__ == "__main__":
    sys.exit(run_cases(TESTS))
