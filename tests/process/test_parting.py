#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit-s: 400
"""A has lost the dirty log to another tool and said BYE, and B has not answered yet: whatever happens then ends
as it should, one copy runs at most, and nobody says otherwise."""
import contextlib
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checks import state_files  # noqa: E402
from faulty import Faulty  # noqa: E402
from proxy import Proxy  # noqa: E402
from rig import DETECTOR, Control, Rig, wait_for  # noqa: E402
import tap  # noqa: E402

LOST = "fetch_dirty 1 ESTALE"
TAKEN = LOST + "\nlog_start EBUSY"
EPOCH_MS = 200  # the log is lost in an epoch that B does not seal any more: a few fit into the window


class Parting(Faulty):
    """The VM is protected by way of a proxy."""

    def __init__(self, rig, **b_conf):
        super().__init__(rig, **b_conf)
        self.proxy = Proxy(self.b.address)
        self.frozen = None

    def protect(self):
        assert self.a.call("unprotect", vm=self.vm.uuid)["ok"]
        reply = self.a.call("protect", vm=self.vm.uuid, to=self.proxy.address, epoch_ms=EPOCH_MS)
        assert reply["ok"], reply
        self.wait_protected()

    def part(self, rule=TAKEN):
        """From here on B is frozen."""
        self.frozen = self.b.child_pid(self.vm.uuid)
        os.kill(self.frozen, signal.SIGSTOP)
        self.write(rule)
        wait_for("A parts", lambda: self.told("dirty-log-lost"))
        wait_for("its status says so", lambda: self.a.state(self.vm.uuid) == "unprotected")
        assert self.runs_at_a()

    def thaw(self):
        os.kill(self.frozen, signal.SIGCONT)

    def ask(self, cmd, **fields):
        """Returns what reads the answer."""
        control = Control(self.a.socket)
        control.send(cmd=cmd, vm=self.vm.uuid, **fields)
        assert self.a.call("version")["ok"], "it has the request by now"
        return control.read

    def info(self, host):
        return self.rig.ask_vm(host, self.vm.uuid, "info")

    def check_ended(self, runs=True):
        """Nobody protects the VM, nobody holds a copy, and A has it as it was."""
        wait_for("A lets go of it", lambda: self.a.status(self.vm.uuid) is None)
        wait_for("B lets go of it", lambda: self.b.status(self.vm.uuid) is None)
        assert state_files(self.a) == [] and not self.b.saw("takeover"), self.b.events()
        assert self.info("B") is None
        if runs:
            assert self.info("A")["running"]
        else:
            assert self.info("A") is None


@contextlib.contextmanager
def parting(**b_conf):
    with Rig() as rig:
        pair = Parting(rig, **b_conf)
        try:
            pair.protect()
            yield pair
        finally:
            pair.proxy.close()


def test_bye_is_answered_late():
    """It is protected again as soon as there is a log."""
    with parting() as pair:
        pair.part(LOST)
        pair.thaw()
        pair.wait_protected()
        wait_for("all is well", lambda: pair.causes() == set())
        assert pair.runs_at_a() and not pair.b.saw("takeover"), pair.b.events()


def test_unprotect():
    with parting() as pair:
        pair.part()
        answer = pair.ask("unprotect")
        pair.thaw()
        reply = answer()
        assert reply["ok"], reply
        pair.check_ended()


def test_unprotect_by_force():
    """B is given the time to answer: until then it might resume the VM."""
    with parting() as pair:
        pair.part()
        answer = pair.ask("unprotect", force=True)
        pair.thaw()
        reply = answer()
        assert reply["ok"] and not pair.a.saw("unprotect-forced"), pair.a.events()
        pair.check_ended()


def test_unprotect_by_force_without_an_answer():
    with parting() as pair:
        pair.part()
        reply = pair.ask("unprotect", force=True)()
        assert reply["ok"] and pair.a.saw("unprotect-forced"), pair.a.events()
        pair.thaw()
        pair.check_ended()


def test_unprotect_and_two_links_that_end():
    """The second session had nothing sealed: there is nothing to wait for, and nobody to ask."""
    with parting() as pair:
        sessions = len(pair.a.saw("connected"))
        pair.part()
        answer = pair.ask("unprotect")
        pair.proxy.delay(2, "down")
        pair.proxy.cut()
        pair.thaw()
        wait_for("A says BYE again", lambda: len(pair.a.saw("connected")) > sessions)
        pair.proxy.cut()
        reply = answer()
        assert reply["ok"], reply
        pair.check_ended()


def test_failover():
    """There is no copy at B: said at once, and protection comes back by itself."""
    with parting() as pair:
        pair.part()
        reply = pair.ask("failover")()
        assert reply["code"] == "busy" and "dirty log" in reply["error"], reply
        pair.thaw()
        wait_for("A has tried to have it back", lambda: pair.told("log_start"))
        reply = pair.ask("failover")()
        assert reply["code"] == "busy" and "dirty log" in reply["error"], reply
        assert pair.runs_at_a() and not pair.b.saw("takeover"), pair.b.events()
        pair.write("")
        pair.wait_protected()


def test_failover_that_the_log_is_lost_under():
    """Its last epoch cannot be had: it is refused, and B told that nothing is wrong with the VM."""
    with parting() as pair:
        released = len(pair.b.saw("released"))
        pair.write(TAKEN)
        reply = pair.ask("failover")()
        assert not reply["ok"], reply
        wait_for("B is told", lambda: len(pair.b.saw("released")) > released)
        wait_for("A has tried to have it back", lambda: pair.told("log_start"))
        assert pair.runs_at_a() and not pair.b.saw("takeover"), pair.b.events()
        pair.write("")
        pair.wait_protected()
        assert pair.ask("failover")()["ok"]
        wait_for("it runs at B", lambda: (pair.info("B") or {}).get("running"))


def test_remusd_stops():
    with parting() as pair:
        pair.part(LOST)
        pair.a.kill(signal.SIGTERM)
        pair.thaw()
        pair.a.restart()
        pair.wait_protected()
        assert pair.runs_at_a() and not pair.b.saw("takeover"), pair.b.events()


def test_remusd_stops_without_an_answer():
    """The VM is silent then, for B may resume it; and comes back when B says that it does not."""
    with parting() as pair:
        pair.part(LOST)
        pair.a.end()
        assert not pair.info("A")["running"]
        pair.a.restart()
        wait_for("A waits for B", lambda: pair.a.state(pair.vm.uuid) == "blocked")
        pair.write("")
        pair.thaw()
        pair.wait_protected()
        wait_for("it runs", lambda: pair.info("A")["running"])
        assert not pair.b.saw("takeover"), pair.b.events()


def test_guest_powers_off():
    with parting() as pair:
        pair.part()
        pair.rig.ask_vm("A", pair.vm.uuid, "shutdown")
        wait_for("A has seen it", lambda: pair.a.saw("vm-off"))
        pair.thaw()
        pair.check_ended(runs=False)


def test_vm_crashes():
    """B was told to give its copy up, and does."""
    with parting() as pair:
        pair.part()
        pair.vm.kill()
        wait_for("A has seen it", lambda: pair.a.saw("vm-crashed"))
        pair.thaw()
        pair.check_ended(runs=False)


def test_link_is_lost():
    """B never hears the BYE: A comes back before it takes the VM for dead, and then there is still no log."""
    with parting() as pair:
        pair.proxy.drop("up")
        pair.write(TAKEN)
        wait_for("A parts", lambda: pair.told("dirty-log-lost"))
        pair.proxy.cut()
        pair.proxy.heal()
        wait_for("A has tried to have it back", lambda: pair.told("log_start"))
        wait_for("it runs at A", lambda: pair.a.state(pair.vm.uuid) == "unprotected" and pair.runs_at_a())
        pair.write("")
        pair.wait_protected()
        assert not pair.b.saw("takeover"), pair.b.events()


def test_link_stays_lost():
    """B never hears the BYE, and resumes the VM when the lease is over: the copy at A is silent by then."""
    with parting(**DETECTOR) as pair:
        pair.proxy.drop("up")
        pair.write(TAKEN)
        wait_for("A parts", lambda: pair.told("dirty-log-lost"))
        pair.proxy.unplug()
        wait_for("B runs the VM", lambda: pair.b.state(pair.vm.uuid) == "active")
        assert not pair.info("A")["running"]
        wait_for("A says so", lambda: pair.a.state(pair.vm.uuid) == "blocked")
        pair.proxy.heal()
        wait_for("the stale copy is destroyed", lambda: not pair.vm.alive())
        assert pair.info("B")["running"] and pair.a.saw("fenced"), pair.a.events()


def test_vm_crashes_while_the_link_is_lost():
    """A new session would drop what B holds: the last copy."""
    with parting(detector_floor_ms=4000) as pair:
        pair.proxy.unplug()
        wait_for("A has noticed", lambda: pair.a.state(pair.vm.uuid) == "connecting")
        pair.vm.kill()
        wait_for("A has seen it", lambda: pair.a.saw("vm-crashed"))
        sessions = len(pair.b.saw("session"))
        pair.proxy.heal()
        wait_for("B runs the VM", lambda: pair.b.state(pair.vm.uuid) == "active")
        assert len(pair.b.saw("session")) == sessions, pair.b.events()
        wait_for("A lets go of it", lambda: pair.a.status(pair.vm.uuid) is None)


if __name__ == "__main__":
    sys.exit(tap.run([(n[5:].replace("_", " "), f) for n, f in sorted(globals().items()) if n.startswith("test_")]))
