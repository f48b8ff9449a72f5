#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit-s: 400
"""Protection begins, pauses and ends in every way it can, and the guest's clients notice none of it."""
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checks import Pair, check_client, reachable, state_files  # noqa: E402
from rig import LEASE_OVER_S, PATIENT, Control, wait_for  # noqa: E402
import tap  # noqa: E402


# ---- the ends of protection ----

def unprotect(hold):
    with Pair(hold=hold, protect=False) as pair:
        client = pair.client(clients=2)
        reachable(pair.rig, pair.vm)
        pair.protect()
        pair.wait_epochs(10)
        reachable(pair.rig, pair.vm)
        reply = pair.a.call("unprotect", vm=pair.vm.uuid)
        assert reply["ok"], reply
        reachable(pair.rig, pair.vm)
        wait_for("B drops the replica", lambda: pair.b.status(pair.vm.uuid) is None)
        assert pair.a.status(pair.vm.uuid) is None and state_files(pair.a) == []
        time.sleep(LEASE_OVER_S)
        assert not pair.failed_over() and pair.rig.ask_vm("B", pair.vm.uuid, "info") is None
        pair.wait_runs()
        check_client(client)


def test_unprotect_hold_backup():
    unprotect("backup")


def test_unprotect_hold_primary():
    unprotect("primary")


def test_unprotect_by_force():
    """The backup is dead: unprotect waits for it, --force does not."""
    with Pair(hold="backup") as pair:
        pair.wait_epochs(10)
        for pid in (pair.b.child_pid(pair.vm.uuid), pair.b.pid):
            os.kill(pid, signal.SIGKILL)
        pair.wait_state(pair.a, "blocked")
        reply = pair.a.call("unprotect", vm=pair.vm.uuid, force=True)
        assert reply["ok"], reply
        pair.wait_runs()
        reachable(pair.rig, pair.vm)
        assert state_files(pair.a) == []


def test_protect_again():
    """Generations grow over unprotect, although the primary has forgotten the VM meanwhile."""
    with Pair(hold="backup") as pair:
        seen = [pair.at_b()["generation"]]
        for _ in range(2):
            assert pair.a.call("unprotect", vm=pair.vm.uuid)["ok"]
            pair.protect()
            seen.append(pair.at_b()["generation"])
        assert seen == sorted(set(seen)), seen
        pair.wait_epochs(5)
        pair.rig.power_cut(pair.a, pair.vm)
        pair.wait_state(pair.b, "active")
        pair.check_image("B")


def test_suspend_is_told_and_kept():
    """How the VM is to be stopped: remusd.conf's word, or protect's before it; the record remembers which."""
    for conf, asked, kept in (("cooperative", {}, 1), ("driver", {"suspend": "auto"}, 0)):
        with Pair(hold="backup", a_conf={"suspend": conf, **PATIENT}, b_conf=PATIENT, **asked) as pair:
            told = pair.at_a()
            assert told["suspend"]["mode"] == "cooperative" and told["suspend"]["version"] is None, told
            assert "no driver" in told["suspend"]["why"] and not told["degraded"], told
            assert pair.said(pair.a, "suspend", "no driver"), pair.a.events()
            with open(os.path.join(pair.a.state_dir, state_files(pair.a)[0]), encoding="utf-8") as f:
                assert json.loads(f.readlines()[1])["suspend"] == kept
            pair.a.end()
            pair.a.restart()
            pair.wait_protected()
            assert pair.at_a()["suspend"] == told["suspend"]


# ---- failover by order ----

def test_planned_failover():
    with Pair(hold="backup") as pair:
        client = pair.client(clients=4)
        pair.wait_epochs(20)
        reply = pair.a.call("failover", vm=pair.vm.uuid)
        assert reply["ok"], reply
        pair.wait_state(pair.b, "active")
        pair.wait_gone_at_a()
        result = check_client(client)
        assert result["unanswered"] == 0, result
        pair.check_one_voice()
        pair.check_image("B")


def test_failback():
    """B protects the VM with A as its backup, and A gets it back."""
    with Pair(hold="backup") as pair:
        client = pair.client(clients=2)
        pair.wait_epochs(10)
        assert pair.a.call("failover", vm=pair.vm.uuid)["ok"]
        b_primary = pair.rig.remusd("B")
        a_backup = pair.rig.backupd("A")
        reply = b_primary.call("protect", vm=pair.vm.uuid, to=a_backup.address)
        assert reply["ok"], reply
        wait_for("protected at B", lambda: b_primary.state(pair.vm.uuid) == "protected")
        reply = b_primary.call("failover", vm=pair.vm.uuid)
        assert reply["ok"], reply
        assert pair.rig.ask_vm("B", pair.vm.uuid, "info") is None
        pair.check_image("A")
        check_client(client)


def test_forced_failover():
    """At the backup, against a primary that lives: the lease is waited for, and the primary fenced."""
    with Pair(hold="primary") as pair:
        client = pair.client(clients=4)
        pair.wait_epochs(20)
        reply = pair.b.call("failover", vm=pair.vm.uuid)
        assert reply["code"] == "unsafe" and reply["hint"], reply
        reply = pair.b.call("failover", vm=pair.vm.uuid, force=True)
        assert reply["ok"], reply
        pair.wait_gone_at_a()
        assert pair.said(pair.a, "fenced"), pair.a.events()
        check_client(client)
        pair.check_one_voice()
        pair.check_image("B")


def test_unprotect_by_force_in_a_failover():
    """The backup resumes the VM already, and takes its time to say so: the copy here is not let go."""
    with Pair(hold="backup", b_env={"REMUS_FAULT": "backup_activated:1:sleep-ms=2000"}) as pair:
        pair.wait_epochs(5)
        failover = Control(pair.a.socket)
        failover.send(cmd="failover", vm=pair.vm.uuid)
        pair.wait_runs("B")
        reply = pair.a.call("unprotect", vm=pair.vm.uuid, force=True)
        assert not reply["ok"] and "taken the VM over" in reply["error"], reply
        reply = failover.read()
        failover.close()
        assert reply["code"] == "busy", reply
        pair.wait_gone_at_a()
        pair.check_one_voice()
        pair.check_image("B")


def test_forget():
    with Pair(hold="backup") as pair:
        pair.wait_epochs(5)
        reply = pair.b.call("forget", vm=pair.vm.uuid)
        assert reply["code"] == "refused", reply
        assert pair.a.call("failover", vm=pair.vm.uuid)["ok"]
        reply = pair.b.call("forget", vm=pair.vm.uuid)
        assert reply["code"] == "refused" and "runs here" in reply["error"], reply
        pair.rig.ask_vm("B", pair.vm.uuid, "shutdown")
        wait_for("the VM is off", lambda: pair.rig.ask_vm("B", pair.vm.uuid, "info") is None)
        reply = pair.b.call("forget", vm=pair.vm.uuid)
        assert reply["ok"], reply
        assert state_files(pair.b) == [] and pair.b.status(pair.vm.uuid) is None


# ---- the VM's own end ----

def test_guest_powers_off():
    with Pair(hold="backup") as pair:
        pair.wait_epochs(10)
        pair.rig.ask_vm("A", pair.vm.uuid, "shutdown")
        pair.wait_gone_at_a()
        wait_for("B drops the replica", lambda: pair.b.status(pair.vm.uuid) is None)
        time.sleep(LEASE_OVER_S)
        assert not pair.failed_over() and pair.rig.ask_vm("B", pair.vm.uuid, "info") is None
        assert pair.said(pair.a, "vm-off"), pair.a.events()
        assert state_files(pair.a) == []


def test_vm_crashes():
    """A says so: B does not wait for the lease, which is long here."""
    with Pair(hold="backup", b_conf={"detector_floor_ms": 60000, "detector_ceiling_ms": 60000}) as pair:
        client = pair.client(clients=4)
        pair.wait_epochs(20)
        pair.vm.kill()
        pair.wait_state(pair.b, "active", timeout=50)
        check_client(client)
        pair.check_image("B")
        assert pair.said(pair.a, "vm-crashed"), pair.a.events()


# ---- what is told ----

def test_events_are_followed():
    with Pair(hold="backup", protect=False) as pair:
        stream = Control(pair.a.socket)
        stream.send(cmd="events", follow=True)
        first = stream.read()
        assert first["ok"] and isinstance(first["events"], list), first
        pair.protect()
        assert pair.a.call("unprotect", vm=pair.vm.uuid)["ok"]
        names = []
        while "unprotected" not in names[1:]:
            event = stream.read()
            assert {"time", "mono_ns", "uuid", "name", "role", "level", "event", "text"} <= set(event), event
            names.append(event["event"])
        wanted = ["connected", "sync-start", "protected"]
        assert [n for n in names if n in wanted] == wanted, names
        stream.close()
        assert len(pair.a.events()) >= len(names)


if __name__ == "__main__":
    sys.exit(tap.run([(n[5:].replace("_", " "), f) for n, f in sorted(globals().items()) if n.startswith("test_")]))
