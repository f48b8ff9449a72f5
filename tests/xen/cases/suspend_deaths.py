# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest protected by its driver: other tools ask and resume it, the engine's processes die, its host does."""

from cases.suspend import (PARAMETERS, goes_on, guest, stopped_by, struck_while_suspended, with_driver,
                           works_at_backup)
from lablib import engine_log, transfer
from lablib.fixture import at_random, until
from lablib.scene import Scene
from lablib.selfchecks import SelfChecks

BRISK_MS = 300  # many checkpoints in a few seconds
INSTANTS, RANDOM_S = 5, 4
STAY_MS = 300_000
REQUESTS = 3
LATE = "did not suspend within"  # a busy machine
SAVE_LIMIT_S = 120  # xl save waits for 60 s where it does not fail at once
STEAL, ROUNDING_S = 8, 1  # of /proc/stat's first line, in hundredths


def another_tool_asks(scene):
    """remusd is not disturbed: neither its process for the VM nor the session comes to an end. It says no more than
    once of each request that it has resumed the guest."""
    p = with_driver(scene)
    talk, session = scene.talk(), p.status("A")["generation"]
    before = len(engine_log.troubles(p))
    status, text = p.lab.run("A", "xl save guest /run/guest.save", SAVE_LIMIT_S)
    assert status != 0, text
    talk.more()
    for _ in range(REQUESTS):
        p.must_run("A", "xenstore-write /local/domain/$(xl domid guest)/control/shutdown suspend")
        until("it was obeyed", lambda: not p.must_run(
            "A", "xenstore-read /local/domain/$(xl domid guest)/control/shutdown").strip())
        talk.more()
    assert stopped_by(scene, "driver")["generation"] == session, "the session was lost over it"
    assert not p.events("A", "child-died")
    goes_on(scene, talk)
    assert engine_log.count(p, "another tool") <= REQUESTS
    new = [text for text in engine_log.troubles(p)[before:] if "suspend" in text or "resume" in text]
    assert all(LATE in text for text in new), new


def agent_dies_while_suspended(scene):
    """The next one cannot know who has stopped the guest, and resumes it all the same. The backup gives it the time
    that it needs on a busy machine."""
    talk = struck_while_suspended(scene, "kill", Scene.patient)
    until("a new process has taken over", lambda: scene.protection.events("A", "child-died"))
    scene.check_protected_again(after=1)
    stopped_by(scene, "driver")
    goes_on(scene, talk)
    assert engine_log.count(scene.protection, engine_log.DEATH) == 1


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
    engine_log.check(p)
    scene.kill_primary()
    scene.check_took_over(talk)
    works_at_backup(scene)


def stolen(scene):
    """Seconds the guest took for stolen from its CPU, and how long it had been up just before and after it said so."""
    words = guest(scene, "cat /proc/uptime /proc/stat /proc/uptime").split()
    return int(words[words.index("cpu") + STEAL]) / 100, float(words[0]), float(words[-2])


def check_stolen(before, after):
    """No more than there was: the wait of the replica, which is to be longer than all that, is not part of it."""
    assert after[0] - before[0] <= after[2] - before[1] + ROUNDING_S, (before, after)


def host_dies(scene, name="brisk", suspend="driver"):
    """At a random instant; the guest's driver works at the other host as well. name: of the state before."""
    with_driver(scene, name, BRISK_MS, suspend)
    checks = SelfChecks(scene.lab, lambda command: guest(scene, command))
    checks.start("vector", "clocks")
    talk, before = scene.talk(connections=6), checks.check()
    had = stolen(scene)
    at_random(RANDOM_S, "the power goes")
    scene.kill_primary()
    check_stolen(had, stolen(scene))
    scene.check_took_over(talk)
    works_at_backup(scene)
    assert int(guest(scene, f"cat {PARAMETERS}/restores")) == 1
    checks.check_work(before)
    checks.stop("vector")
    checks.check_owed()


def host_dies_while_suspended(scene):
    """The epoch is not whole: the guest comes up from the one before."""
    talk = struck_while_suspended(scene, f"sleep-ms={STAY_MS}")
    scene.kill_primary()
    scene.check_took_over(talk)
    works_at_backup(scene)


TESTS = [("xl save and a request to the kernel while the driver is in use", another_tool_asks),
         ("kill -9 of remusd's child while the driver holds the guest suspended", agent_dies_while_suspended),
         ("another tool resumes the guest while it is stopped for an epoch", resumed_by_another_tool),
         ("A dies while the driver holds the guest suspended", host_dies_while_suspended),
         *[(f"A dies while the driver is in use, instant {n} of {INSTANTS}", host_dies)
           for n in range(1, INSTANTS + 1)]]
