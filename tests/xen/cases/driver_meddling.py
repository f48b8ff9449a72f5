# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's suspend driver where something is not as it should be in dom0: the guest runs on, and its kernel's log
has one line for each kind of trouble that there was, and none for the others (lablib/kernel_log.py, after each case).
"""

from cases.driver_load import end_tool, start_tool, tool_status
from lablib.fixture import at_random, until

HANGUPS, STORM, SOME, KILLS = 20, 3000, 20, 3
KILL_S = 2
SAVE_S = 200  # xl save waits for 60 s where it does not fail at once


def still_obeys(guest, first):
    """It is suspended again when asked, and whatever it does went on."""
    assert guest.suspender(SOME)["checkpoints"] == SOME
    guest.flood.goes_on()
    guest.checks.check_work(first)
    guest.unload()


def loaded_by_hand(scene):
    guest = scene.guest()
    guest.check_published()
    guest.suspender(SOME)
    longest_us = guest.counter("rendezvous_max_ns") // 1000
    guest.run("rmmod remus_suspend")
    assert guest.published() == "", "something else publishes a port"
    assert guest.log()[1:] == [f"unloaded after {SOME} checkpoints and 0 restores, whose longest rendezvous took "
                               f"{longest_us} us"], guest.log()
    guest.run("modprobe remus_suspend")
    guest.check_published()
    assert len(guest.log()) == 3 and guest.log()[2].startswith("version "), guest.log()
    guest.suspender(SOME)
    assert guest.counter("checkpoints") == SOME


def hangups(scene):
    """The port is closed by dom0 right after the request."""
    guest = scene.guest()
    first = guest.load()
    said = guest.meddler("hangup", HANGUPS)
    abandoned = guest.counter("abandoned")
    # Events of one connection and the next may be one.
    assert 0 < abandoned + said["suspended"] <= HANGUPS, (said, abandoned)
    still_obeys(guest, first)


def storm(scene):
    guest = scene.guest()
    first = guest.load()
    said = guest.meddler("storm", STORM)
    assert 0 < said["suspended"] < STORM, said
    print(f"# {said}, abandoned={guest.counter('abandoned')}", flush=True)
    still_obeys(guest, first)


def killed_while_suspended(scene):
    """The guest cannot know: it stays suspended until somebody else takes it up."""
    guest = scene.guest()
    first = guest.load()
    guest.must_run("A", f"meddler leave {guest.domid()} >/dev/null 2>&1 &")
    until("it is suspended", guest.is_suspended)
    guest.must_run("A", "kill -9 $(pidof meddler)")
    assert guest.is_suspended()
    guest.meddler("resume")
    assert not guest.is_suspended() and guest.counter("abandoned") == 0
    still_obeys(guest, first)


def cpu_held(scene):
    """Xen does not run one of two CPUs: a request is refused meanwhile, by a guest whose other CPU goes on."""
    guest = scene.guest(vcpus=2)
    lines = len(guest.log())
    guest.suspender(SOME)
    guest.must_run("A", f"hold_cpu {guest.domid()} 1 on")
    try:
        assert guest.meddler("refused")["refused"] == 1
    finally:
        guest.must_run("A", f"hold_cpu {guest.domid()} 1 off")
    assert guest.counter("late") == 1 and guest.counter("checkpoints") == SOME
    assert len(guest.log()) == lines + 1 and "not together" in guest.log()[-1], guest.log()
    assert guest.suspender(SOME)["checkpoints"] == SOME


def taken_up(guest):
    """Whether it was suspended and is not any more."""
    if guest.is_suspended():
        print("# the tool had the guest suspended", flush=True)
        guest.meddler("resume")
        return True
    return False


def killed_at_random_instants(scene):
    guest = scene.guest()
    first = guest.load()
    for _ in range(KILLS):
        start_tool(guest)
        at_random(KILL_S, "killed")
        guest.must_run("A", "kill -9 $(pidof suspender)")
        before = guest.flood.octets()
        until("the guest goes on", lambda: taken_up(guest) or guest.flood.octets() > before)
    print(f"# abandoned={guest.counter('abandoned')}", flush=True)
    still_obeys(guest, first)


def two_tools(scene):
    """One has the channel: another gets none, xl neither, and the kernel's own suspend comes in between."""
    guest = scene.guest()
    first = guest.load()
    start_tool(guest, "fast")
    status, text = guest.lab.run("A", f"suspender {guest.domid()} 1 fast 0")
    assert status == 1 and "cannot be had" in text, text
    status, text = guest.lab.run("A", "xl save -c guest /tmp/guest.save", SAVE_S)
    assert status != 0, text
    shutdown = f"/local/domain/{guest.domid()}/control/shutdown"
    guest.must_run("A", f"xenstore-write {shutdown} suspend")
    until("it was obeyed", lambda: "Restarting tasks" in guest.run("dmesg"))
    assert not tool_status(guest), "the first tool was disturbed"
    end_tool(guest)
    assert guest.counter("abandoned") == guest.counter("late") == 0
    still_obeys(guest, first)


TESTS = [("requests whose sender hangs up are not obeyed", hangups),
         ("a storm of requests does no harm", storm),
         ("a tool killed with the guest suspended, another takes it up", killed_while_suspended),
         (f"a tool killed at {KILLS} random instants", killed_at_random_instants),
         ("a CPU that Xen does not run: no suspend, and the other goes on", cpu_held),
         ("two tools, xl save and a request to the kernel at once", two_tools)]
