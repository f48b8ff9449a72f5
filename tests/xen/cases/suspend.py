# SPDX-License-Identifier: GPL-2.0-or-later
"""By what a protected guest is stopped: its kernel, or the driver in it, which may come, go, fail and lie."""

from lablib import engine_log, kernel_log
from lablib.fixture import until
from lablib.layout import LabError
from lablib.scene import Scene, Strike

LOAD = "modprobe remus_suspend"
UNLOAD = "rmmod remus_suspend; ! grep -q ^remus_suspend /proc/modules"  # may be said twice
PARAMETERS = "/sys/module/remus_suspend/parameters"
NODE = "/local/domain/$(xl domid guest)/device/suspend/event-channel"
NOBODYS_PORT = 777
CALM_MS = 1000  # an emulated guest that is stopped all the time has little left for its clients
EPOCHS_BEFORE = 5
SAVE_LIMIT_S = 200


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


def check_log(scene):
    """Of the guest's kernel, in which the driver was loaded."""
    kernel_log.check(lambda command: guest(scene, command))


def goes_on(scene, talk):
    talk.more()
    talk.finish()
    scene.check_memory()
    check_log(scene)
    engine_log.check(scene.protection)


def works_at_backup(scene):
    """The driver is back, its kernel's log as it should be."""
    until("it is published there", lambda: scene.protection.must_run("B", f"xenstore-read {NODE}").strip())
    check_log(scene)


def struck_while_suspended(scene, action, start=Scene.ready):
    """A new remusd protects the guest, and `action` befalls its process while the driver holds the guest suspended.
    start: of the scene. Returns the clients' conversation."""
    protection = start(scene)
    guest(scene, LOAD)
    strike = Strike(protection, "remusd", f"primary_stopped:{EPOCHS_BEFORE}:{action}")
    talk = scene.talk()
    protection.protect(CALM_MS, suspend="driver")
    strike.wait()
    return talk


def with_driver(scene, name="driver", epoch_ms=CALM_MS, suspend="driver"):
    """The guest is protected, and stopped by its driver; name: of that state."""
    def make():
        protection = scene.ready()
        guest(scene, LOAD)
        protection.protect(epoch_ms, suspend=suspend)
        stopped_by(scene, "driver")

    scene.start_over(name, make)
    return scene.protection


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


def gone_though_wanted(scene):
    """`driver` was asked for: without one the guest stays protected, and that is said to be a lack."""
    with_driver(scene)
    talk = scene.talk()
    guest(scene, UNLOAD)
    stopped_by(scene, "cooperative", "no driver", degraded=True)
    guest(scene, LOAD)
    stopped_by(scene, "driver")
    goes_on(scene, talk)
    assert engine_log.count(scene.protection, "no driver", "warn") == 1


def given_back(scene):
    """Xen's own tools are told again when the guest suspends, also when its driver has gone since."""
    p = with_driver(scene)
    talk = scene.talk()
    p.unprotect()
    guest(scene, UNLOAD)
    p.must_run("A", "xl save -c guest /run/guest.save", SAVE_LIMIT_S)
    goes_on(scene, talk)


def lies(scene):
    """The node names a channel that is none."""
    p = scene.ready()
    p.must_run("A", f"xenstore-write {NODE}/version 0.1 {NODE}/capabilities restore {NODE} {NOBODYS_PORT}")
    reply = p.ask_protect(suspend="driver")
    assert not reply["ok"] and "closed" in reply["error"], reply
    assert p.ask_protect(CALM_MS)["ok"]
    stopped_by(scene, "cooperative", "closed", degraded=True)
    assert engine_log.count(p, "epochs have long pauses", "warn") == 1
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
    assert engine_log.count(scene.protection, "did not suspend it several times", "warn") == 1


TESTS = [("driver is refused where there is none, cooperative does not use one", only_when_wanted),
         ("a node that names no channel: told, and the kernel is asked", lies),
         ("a driver that refuses is given up, and used again when loaded anew", fails),
         ("suspend=driver: the driver is unloaded while protected", gone_though_wanted),
         ("unprotected, then the driver is unloaded: xl save is told when the guest has suspended", given_back)]
