#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the hypervisor refuses, by the backend that fails as it is told: no protection ends by it, and
nothing is taken for what it is not."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faulty import faulty  # noqa: E402
from rig import DETECTOR, wait_for  # noqa: E402
import tap  # noqa: E402

ATTEMPTS_S = 5  # in which A would have tried several times


def test_hypervisor_away_for_a_while():
    """A's process of the VM is killed, and for a while the next ones cannot have it."""
    with faulty() as pair:
        with pair.rule("open ENOENT"):
            pair.a.kill_child(pair.vm.uuid)
            wait_for("it cannot be had", lambda: pair.a.saw("not-resumed"))
        pair.wait_protected()


def states_without_a_process(daemon, vm, deaths=8):
    """It dies again and again: what its VM's status is meanwhile."""
    daemon.kill_child(vm.uuid)
    wait_for("it died", lambda: daemon.saw("child-died"))
    states = {}
    while len(daemon.saw("child-died")) < deaths:
        status = daemon.status(vm.uuid)
        assert status and not status["protected"], status
        assert [v["uuid"] for v in daemon.call("list")["vms"]] == [vm.uuid]
        states[status["state"]] = {d["cause"]: d["text"] for d in status["degraded"]}
    return states


def test_vm_without_a_process_at_the_primary():
    """It is listed, as not protected, and why; and each death is told once."""
    with faulty() as pair:
        with pair.rule("open ENOENT"):
            states = states_without_a_process(pair.a, pair.vm)
            assert "killed" in pair.a.saw("child-died")[0]["text"], pair.a.events()
            assert "exit status 0" in states["restarting"]["no-process"], states
            assert abs(len(pair.a.saw("child-died")) - len(pair.a.saw("not-resumed"))) <= 1, pair.a.events()
        pair.wait_protected()


def test_vm_without_a_process_at_the_backup():
    """It runs, and nobody watches it."""
    with faulty(at="B", **DETECTOR) as pair:
        pair.rig.power_cut(pair.a, pair.vm)
        wait_for("B runs the VM", lambda: pair.b.state(pair.vm.uuid) == "active")
        with pair.rule("open ENOENT"):
            states = states_without_a_process(pair.b, pair.vm)
            assert "nobody watches" in states["restarting"]["no-process"], states
        wait_for("all is well", lambda: pair.b.state(pair.vm.uuid) == "active" and pair.causes(pair.b) == set())


def test_unprotected_while_its_process_waits_to_be_started():
    """What was to be started again for it is not, once nobody wants it any more."""
    with faulty() as pair:
        with pair.rule("open ENOENT"):
            pair.a.kill_child(pair.vm.uuid)
            wait_for("the pauses have grown", lambda: len(pair.a.saw("not-resumed")) >= 8 and
                     pair.a.state(pair.vm.uuid) == "restarting")
        before, last = [e["mono_ns"] / 1e9 for e in pair.a.saw("not-resumed")][-2:]
        assert pair.a.call("unprotect", vm=pair.vm.uuid)["ok"]
        time.sleep(3 * (last - before))
        assert pair.a.status(pair.vm.uuid) is None, pair.a.status(pair.vm.uuid)
        assert pair.a.call("protect", vm=pair.vm.uuid, to=pair.b.address)["ok"]


def test_vm_that_would_be_refused_by_now():
    """What goes on is not refused: the VM would stay without network, and could not be unprotected."""
    with faulty() as pair:
        with pair.rule("may_protect EPERM"):
            pair.a.kill_child(pair.vm.uuid)
            wait_for("its process is gone", lambda: pair.a.saw("child-died"))
            pair.wait_protected()
            assert pair.a.call("unprotect", vm=pair.vm.uuid)["ok"]
            reply = pair.a.call("protect", vm=pair.vm.uuid, to=pair.b.address)
            assert reply["code"] == "refused" and "cannot be protected" in reply["error"], reply


def test_vm_that_nobody_can_look_at_when_it_is_to_be_protected():
    """That says nothing about the VM."""
    with faulty() as pair:
        assert pair.a.call("unprotect", vm=pair.vm.uuid)["ok"]
        with pair.rule("may_protect EIO"):
            reply = pair.a.call("protect", vm=pair.vm.uuid, to=pair.b.address)
            assert not reply["ok"] and reply["code"] == "failed", reply
            assert "may_protect" in reply["error"] and "cannot" not in reply["error"], reply


def test_dirty_log_that_another_tool_has():
    """Refused before the backup hears of it."""
    with faulty() as pair:
        assert pair.a.call("unprotect", vm=pair.vm.uuid)["ok"]
        welcomed = len(pair.a.saw("connected"))
        with pair.rule("log_start EBUSY"):
            reply = pair.a.call("protect", vm=pair.vm.uuid, to=pair.b.address)
            assert reply.get("code") == "refused" and "log_start" in reply["error"], reply
            assert pair.a.status(pair.vm.uuid) is None and pair.runs_at_a()
            assert len(pair.a.saw("connected")) == welcomed, pair.a.events()
        assert pair.a.call("protect", vm=pair.vm.uuid, to=pair.b.address)["ok"]
        pair.wait_protected()


def test_dirty_log_that_another_tool_takes_over():
    """It and B are left alone until the tool is done, and what is wrong is told once."""
    with faulty() as pair:
        with pair.rule("fetch_dirty 1 ESTALE\nlog_start EBUSY"):
            # Its status says so after all that was to be told of it.
            wait_for("A has tried to have it back", lambda: "log_start" in pair.texts())
            before, sessions = pair.a.events(), pair.b.saw("session")
            time.sleep(ATTEMPTS_S)
            status = pair.a.status(pair.vm.uuid)
            assert status["state"] == "unprotected" and pair.causes() == {"unprotected"}, status
            assert pair.a.events() == before and pair.b.saw("session") == sessions, pair.a.events()
            assert pair.runs_at_a()
        pair.wait_protected()


def test_dirty_log_lost_is_no_death():
    """B is told: it does not take A for dead because the next session is a while away."""
    with faulty(a_conf={"reconnect_ms": 6000}, detector_floor_ms=3000) as pair:
        with pair.rule("fetch_dirty 1 ESTALE"):
            wait_for("it is lost", lambda: pair.told("fetch_dirty"))
        pair.wait_protected(above=1)
        assert pair.runs_at_a() and not pair.b.saw("takeover"), pair.b.events()


def test_unprotected_while_another_tool_has_the_dirty_log():
    with faulty() as pair:
        with pair.rule("fetch_dirty 1 ESTALE\nlog_start EBUSY"):
            wait_for("A has tried to have it back", lambda: pair.told("log_start"))
            assert pair.a.call("unprotect", vm=pair.vm.uuid)["ok"]
            assert pair.a.status(pair.vm.uuid) is None and pair.runs_at_a()


def test_dirty_log_lost_in_a_first_copy():
    """The next session starts a new log, and is not refused one first."""
    with faulty("fetch_dirty 2 ESTALE") as pair:
        pair.wait_protected()
        assert pair.told("fetch_dirty"), pair.a.events()
        assert pair.a.status(pair.vm.uuid)["generation"] == 2, pair.a.events()


def test_dirty_log_not_read_at_first():
    """It stays on, and is read by the next session."""
    with faulty("fetch_dirty 1 ENOMEM") as pair:
        pair.wait_protected()
        assert pair.a.status(pair.vm.uuid)["generation"] == 2, pair.a.events()


def test_stale_answer_that_is_not_the_logs():
    """Only the dirty log can be lost: anything else is one missed epoch."""
    for op in ("stop", "copy", "save_state", "resume"):
        with faulty() as pair:
            with pair.rule(f"{op} 1 ESTALE"):
                wait_for("it is told", lambda p=pair: p.a.saw("capture"))
                wait_for("epochs go on", lambda p=pair: p.causes() == set())
            pair.wait_protected()
            assert pair.a.status(pair.vm.uuid)["generation"] == 1, (op, pair.a.events())


def test_vm_that_cannot_be_resumed_for_a_while():
    """It is said for as long as it is so, and not once for each attempt."""
    with faulty() as pair:
        with pair.rule("resume EIO"):
            wait_for("it is told", lambda: {"capture", "not-resumed"} <= pair.causes())
            assert not pair.runs_at_a()
        wait_for("all is well", lambda: pair.causes() == set())
        pair.wait_protected()
        assert pair.a.text().count("resumed") < 10, pair.a.text()


def test_stale_copy_that_cannot_be_destroyed_at_once():
    """It stands still until it can."""
    with faulty() as pair:
        with pair.rule("destroy EIO"):
            assert pair.a.call("failover", vm=pair.vm.uuid)["ok"]
            wait_for("it is told", lambda: pair.a.saw("stale-not-destroyed"))
            wait_for("B runs the VM", lambda: pair.b.state(pair.vm.uuid) == "active")
            assert not pair.runs_at_a()
        wait_for("it is destroyed", lambda: not pair.vm.alive())
        wait_for("A lets go of it", lambda: pair.a.status(pair.vm.uuid) is None)
        assert pair.b.state(pair.vm.uuid) == "active"


def test_network_that_cannot_be_given_back():
    """It is said until it is taken again for an epoch: then the guest speaks at the backup."""
    with faulty() as pair:
        with pair.rule("net_give EIO"):
            pair.b.kill_child(pair.vm.uuid)
            wait_for("it is told", lambda: pair.a.saw("network"))
            pair.wait_protected()
            wait_for("all is well", lambda: pair.causes() == set())
        result = pair.rig.client(pair.vm, mode="echo", count=5).result()
        assert result["received"] == 5, result


def test_vm_that_does_not_stop_for_a_lost_lease():
    """It is said for as long as it is so."""
    with faulty(**DETECTOR) as pair:
        with pair.rule("stop ETIMEDOUT"):
            pair.b.kill_child(pair.vm.uuid)
            pair.b.kill()
            wait_for("it is not stopped", lambda: {"lease-lost", "not-stopped"} <= pair.causes())
            assert pair.runs_at_a()
        wait_for("it is stopped", lambda: "not-stopped" not in pair.causes())
        assert "lease-lost" in pair.causes() and not pair.runs_at_a()


def test_vm_that_takes_longer_to_stop_than_a_status_may_be_old():
    """Its process, which does nothing but wait, is not taken for one that hangs; and that it waits is said once."""
    with faulty(a_conf={"stop_timeout_ms": 3000, "detector_floor_ms": 4000, "detector_ceiling_ms": 20000}) as pair:
        with pair.rule("stop ETIMEDOUT"):
            missed = pair.a.status(pair.vm.uuid)["missed_deadlines"]
            wait_for("stops are given up on", lambda: "not-responding" in pair.causes() or
                     pair.a.status(pair.vm.uuid)["missed_deadlines"] > missed + 1)
            assert "not-responding" not in pair.causes(), pair.causes()
            assert len(pair.a.saw("capture")) == 1, pair.a.saw("capture")
        wait_for("all is well", lambda: pair.causes() == set())


def test_vm_that_has_not_got_over_its_last_stop():
    """It is not asked for another before: that epoch is late, and counts once."""
    with faulty() as pair:
        with pair.rule("rested EBUSY"):
            wait_for("no epoch is made", lambda: pair.a.status(pair.vm.uuid)["inflight"] == 0 and
                     not pair.makes_epochs())
            missed = pair.a.status(pair.vm.uuid)["missed_deadlines"]
            assert missed > 0 and not pair.makes_epochs()
            assert pair.a.status(pair.vm.uuid)["missed_deadlines"] == missed
        wait_for("epochs go on", pair.makes_epochs)
        wait_for("all is well", lambda: pair.causes() == set())
        assert pair.a.status(pair.vm.uuid)["generation"] == 1, pair.a.events()


def test_vm_given_a_device():
    """Epochs go on, but nobody says that it is protected."""
    with faulty() as pair:
        with pair.rule("unfit ENODEV"):
            wait_for("it is told", lambda: "device" in pair.causes())
            status = pair.a.status(pair.vm.uuid)
            assert not status["protected"] and status["state"] == "unprotected", status
            wait_for("epochs go on", lambda: pair.a.status(pair.vm.uuid)["epoch"] > status["epoch"])
        pair.wait_protected()
        assert "device" not in pair.causes()


def test_forget_while_nobody_knows_whether_the_vm_runs():
    """The record of a VM that was activated is what keeps a stale primary out."""
    with faulty(at="B", **DETECTOR) as pair:
        pair.rig.power_cut(pair.a, pair.vm)
        wait_for("B runs the VM", lambda: pair.b.state(pair.vm.uuid) == "active")
        with pair.rule("find EIO"):
            reply = pair.b.call("forget", vm=pair.vm.uuid)
            assert not reply["ok"] and reply["code"] == "failed", reply
        reply = pair.b.call("forget", vm=pair.vm.uuid)
        assert not reply["ok"] and reply["code"] == "refused", reply
        assert pair.b.state(pair.vm.uuid) == "active"


def test_resumed_vm_that_nobody_can_look_at_for_a_while():
    """Neither is it said to be gone then, nor to be back."""
    with faulty(at="B", **DETECTOR) as pair:
        b = pair.b
        pair.rig.power_cut(pair.a, pair.vm)
        wait_for("B runs the VM", lambda: b.state(pair.vm.uuid) == "active")
        with pair.rule("find EIO"):
            wait_for("it is told", lambda: pair.causes(b) == {"hypervisor"})
        wait_for("all is well", lambda: pair.causes(b) == set())
        pair.rig.ask_vm("B", pair.vm.uuid, "shutdown")
        wait_for("it is gone", lambda: pair.causes(b) == {"vm-gone"})
        with pair.rule("find EIO"):
            wait_for("it is told", lambda: pair.causes(b) == {"hypervisor", "vm-gone"})
        wait_for("it is looked at again", lambda: pair.causes(b) == {"vm-gone"})


def test_replica_lost_in_an_activation_that_failed():
    """B does not go on saying that it could resume the VM."""
    with faulty(at="B", **DETECTOR) as pair:
        with pair.rule("activate ESRCH"):
            pair.rig.power_cut(pair.a, pair.vm)
            wait_for("B has failed", lambda: pair.b.state(pair.vm.uuid) == "failed")
            assert not pair.b.status(pair.vm.uuid)["protected"], pair.b.status(pair.vm.uuid)
            assert "activation" in pair.causes(pair.b) and "primary-silent" not in pair.causes(pair.b)
        assert pair.b.call("forget", vm=pair.vm.uuid)["ok"]


def test_planned_failover_that_failed():
    """The VM goes on at A, and once it is protected again nothing is wrong at B."""
    with faulty(at="B") as pair:
        with pair.rule("activate ESRCH"):
            reply = pair.a.call("failover", vm=pair.vm.uuid)
            assert not reply["ok"] and pair.runs_at_a(), reply
        pair.wait_protected(above=1)
        assert pair.causes(pair.b) == set(), pair.b.status(pair.vm.uuid)


def test_takeover_interrupted_and_nobody_can_look_whether_the_vm_runs():
    """B's process dies having resumed the VM, before it has written that down; A asks meanwhile."""
    with faulty(rule="find EIO", at="B", fault="backup_activated:1:kill", **DETECTOR) as pair:
        b = pair.b
        assert not b.call("failover", vm=pair.vm.uuid, force=True)["ok"], "its process died"
        wait_for("it is told", lambda: pair.causes(b) == {"hypervisor"})
        assert b.state(pair.vm.uuid) == "activating" and not b.status(pair.vm.uuid)["protected"]
        wait_for("A is told", lambda: [e for e in pair.a.saw("unprotected") if "cannot tell" in e["text"]])
        assert not pair.runs_at_a()
        pair.write("")
        wait_for("B knows", lambda: b.state(pair.vm.uuid) == "active" and pair.causes(b) == set())
        wait_for("the stale copy is destroyed", lambda: not pair.vm.alive())


if __name__ == "__main__":
    sys.exit(tap.run([(n[5:].replace("_", " "), f) for n, f in sorted(globals().items()) if n.startswith("test_")]))
