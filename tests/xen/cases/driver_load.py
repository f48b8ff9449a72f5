# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's suspend driver with everything in its guest busy: many checkpoints, and unloading it meanwhile."""

from lablib.density import Density
from lablib.fixture import until

STEP, FORKS_MIN = 1000, 10
UNLOADS, SOME = 3, 40
CALM_MS = 100  # for a guest that is to answer meanwhile
TOOL = f"suspender {{domid}} 1000000 {{how}} {CALM_MS} >/tmp/tool.log 2>&1; echo $? >/tmp/tool.status"
COUNTERS = ("rendezvous_max_ns", "wake_ns", "drain_ns", "rendezvous_ns", "late")


def checkpoints(scene, count, vector="vector", dense=False):
    """Half of them resumed one way, half the other."""
    guest = scene.guest()
    first, processes = guest.load(vector=vector, dense=dense), guest.processes()
    tool = Density(guest) if dense else guest
    said = first
    for done in range(0, count, STEP):
        for how in ("plain", "fast"):
            print(f"# {tool.suspender(min(STEP, count - done) // 2, how)}", flush=True)
        said = guest.checks.check()
        print(f"# {guest.flood.goes_on()} octets echoed; {said}", flush=True)
    guest.checks.check_work(first)
    until("there is a storm of processes", lambda: guest.processes() > processes + FORKS_MIN)
    print(f"# {guest.unload()} octets echoed, {guest.processes() - processes} processes")
    assert guest.counter("checkpoints") == count // 2 * 2
    assert guest.counter("late") == guest.counter("abandoned") == 0
    assert "Freezing" not in guest.run("dmesg"), "the kernel froze its tasks"
    print("# " + " ".join(f"{name}={guest.counter(name)}" for name in COUNTERS))
    if dense:
        tool.require()


def start_tool(guest, how="plain"):
    """The tool goes on until end_tool()."""
    before = guest.counter("checkpoints")
    guest.must_run(guest.host, f"rm -f /tmp/tool.status; {{ {TOOL.format(domid=guest.domid(), how=how)}; }} &")
    until("the tool suspends the guest", lambda: guest.counter("checkpoints") > before)


def tool_status(guest):
    return guest.lab.run(guest.host, "cat /tmp/tool.status 2>/dev/null")[1].strip()


def tool_said(guest):
    """Once it has ended: its exit status, what it printed."""
    until("the tool ends", lambda: tool_status(guest))
    return int(tool_status(guest)), guest.must_run(guest.host, "cat /tmp/tool.log").strip()


def end_tool(guest):
    guest.must_run(guest.host, "kill $(pidof suspender)")
    status, text = tool_said(guest)
    assert status == 0, text
    print(f"# {text}", flush=True)


def unloaded_under_traffic(scene):
    """While a tool suspends the guest as fast as it can."""
    guest = scene.guest()
    first = guest.load()
    for _ in range(UNLOADS):
        start_tool(guest)
        guest.run("rmmod remus_suspend")
        status, text = tool_said(guest)
        assert status == 1 and "closed the channel" in text, text
        assert guest.published() == "" and not guest.is_suspended()
        guest.flood.goes_on()
        guest.run("modprobe remus_suspend")
        guest.suspender(SOME)
        assert guest.counter("checkpoints") == SOME
        guest.checks.check()
    guest.checks.check_work(first)
    guest.unload()


TESTS = [("400 checkpoints of a guest under load", lambda scene: checkpoints(scene, 400, dense=True)),
         (f"unloaded {UNLOADS} times under traffic and checkpoints, and loaded again", unloaded_under_traffic)]
LONG_TESTS = [("10 000 checkpoints of a guest under load", lambda scene: checkpoints(scene, 10_000, dense=True)),
              ("3000 checkpoints of a guest under load that uses AVX",
               lambda scene: checkpoints(scene, 3000, "avx", dense=True))]
