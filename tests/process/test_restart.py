#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit-s: 400
"""Daemons stop, die and come back, and what they remember in their state directories: protection goes on by itself,
and nobody says that a VM is protected while it is not."""
import os
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checks import Pair, check_client, reachable, state_files  # noqa: E402
from rig import LEASE_OVER_S, PATIENT, Control, wait_for  # noqa: E402
import tap  # noqa: E402


# ---- daemons stop and come back ----

def primary_returns(stop):
    with Pair(hold="backup") as pair:
        client = pair.client(clients=2)
        pair.wait_epochs(20)
        before = pair.generation()
        stop(pair)
        pair.a.restart()
        pair.wait_protected(above=before)
        check_client(client)
        assert not pair.failed_over(), pair.b.events()
        pair.rig.power_cut(pair.a, pair.vm)
        pair.wait_state(pair.b, "active")
        pair.check_image("B")


def test_primary_terminated():
    def stop(pair):
        assert pair.a.end() == 0, pair.a.text()
        wait_for("B gives the replica up", lambda: not pair.at_b().get("protected"))
        time.sleep(LEASE_OVER_S)
        assert not pair.failed_over()

    primary_returns(stop)


def left_while_greeting(leave):
    """The backup has not answered: nothing of the VM is anywhere that could be resumed, and it runs on."""
    with Pair(hold="backup", protect=False, b_env={"REMUS_FAULT": "backup_replica_create:1:sleep-ms=30000"}) as pair:
        order = Control(pair.a.socket)
        order.send(cmd="protect", vm=pair.vm.uuid, to=pair.proxy.address)
        wait_for("B makes room", lambda: "fault point backup_replica_create" in pair.b.text())
        leave(pair)
        wait_for("A lets go", lambda: not pair.a.alive() or pair.a.status(pair.vm.uuid) is None)
        assert pair.info("A")["running"]
        reachable(pair.rig, pair.vm)
        order.close()


def test_primary_terminated_while_greeting():
    left_while_greeting(lambda pair: pair.a.end())


def test_unprotected_while_greeting():
    def leave(pair):
        reply = pair.a.call("unprotect", vm=pair.vm.uuid)
        assert reply["ok"], reply

    left_while_greeting(leave)


def test_vm_that_is_not_here_any_more():
    """Its record keeps it from being protected by accident; a person can drop it."""
    with Pair(hold="backup", b_conf=PATIENT) as pair:
        pair.rig.power_cut(pair.a, pair.vm)
        pair.a.restart()
        wait_for("A has looked for it", lambda: pair.a.saw("not-resumed") and not pair.a.status(pair.vm.uuid))
        reply = pair.a.call("unprotect", vm=pair.vm.uuid)
        assert reply["code"] == "refused" and "--force" in reply["hint"], reply
        assert state_files(pair.a)
        reply = pair.a.call("unprotect", vm=pair.vm.vm_name, force=True)
        assert reply["ok"] and not state_files(pair.a), reply


def test_record_that_cannot_be_read_for_a_while():
    """What it says of the VM is still wanted to be known."""
    with Pair(hold="backup", b_conf=PATIENT) as pair:
        pair.wait_protected()
        record = os.path.join(pair.a.state_dir, state_files(pair.a)[0])
        os.rename(record, record + ".good")
        os.mkdir(record)
        pair.a.kill_child(pair.vm.uuid)
        wait_for("it is told", lambda: pair.a.saw("not-resumed"))
        os.rmdir(record)
        os.rename(record + ".good", record)
        pair.wait_protected(above=1)


def test_primary_parent_killed():
    """The child outlives it just long enough to say goodbye."""
    primary_returns(lambda pair: pair.a.kill())


def test_primary_killed():
    """Daemon and child at once, and back before B has lost patience."""
    with Pair(hold="backup", b_conf=PATIENT) as pair:
        client = pair.client(clients=2)
        pair.wait_epochs(20)
        before = pair.generation()
        child = pair.a.child_pid(pair.vm.uuid)
        os.kill(pair.a.pid, signal.SIGSTOP)  # it must not see its child end
        os.kill(child, signal.SIGKILL)
        pair.a.kill()
        pair.a.restart()
        pair.wait_protected(above=before)
        assert not pair.failed_over(), pair.b.events()
        check_client(client)
        pair.check_one_voice()


def backup_returns(stop):
    """Meanwhile the VM runs or waits at A, and nobody says that it is protected."""
    with Pair(hold="backup") as pair:
        client = pair.client(clients=2)
        pair.wait_epochs(20)
        before = pair.generation()
        stop(pair)
        # That the lease is over may be told before the end of the link is.
        wait_for("A says so", lambda: not pair.at_a()["protected"] and "unprotected" in pair.causes())
        assert pair.at_a()["state"] in ("connecting", "blocked"), pair.at_a()
        pair.b.restart()
        pair.wait_protected(above=before)
        wait_for("all is well", lambda: pair.causes() == set())
        check_client(client)
        pair.wait_epochs(5)
        pair.rig.power_cut(pair.a, pair.vm)
        pair.wait_state(pair.b, "active")
        pair.check_image("B")


def test_backup_terminated():
    """It says that it goes: A needs no lease, and the guest's clients lose nothing but the time of a retry."""
    def stop(pair):
        assert pair.b.end() == 0, pair.b.text()
        wait_for("A is told why", lambda: pair.said(pair.a, "unprotected", "backup-left"))
        pair.wait_runs()
        reachable(pair.rig, pair.vm)

    backup_returns(stop)


def kill_backup(pair):
    """Daemon and child at one instant: a daemon that saw its child end might start another."""
    pids = (pair.b.child_pid(pair.vm.uuid), pair.b.pid)
    for sig in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, sig)


def test_backup_killed():
    backup_returns(kill_backup)


# ---- what is remembered ----

def forgets(pair):
    """Daemon and child of B are dead, and its state directory is gone."""
    kill_backup(pair)
    shutil.rmtree(pair.b.state_dir)


def test_backup_loses_its_state():
    """Generations go on from the primary's."""
    backup_returns(forgets)


def test_backup_loses_its_state_after_a_takeover():
    """I3: it does not know that it took the VM over, but finds it running, and gives the stale copy nothing."""
    with Pair(hold="backup") as pair:
        pair.wait_epochs(5)
        pair.proxy.unplug()
        pair.wait_state(pair.b, "active")
        forgets(pair)
        pair.b.restart()
        pair.proxy.heal()
        wait_for("A is told why", lambda: pair.said(pair.a, "unprotected", "already there"))
        wait_for("A asks again and again", lambda: len(pair.said(pair.b, "refused")) > 3)
        pair.check_silent_at_a()
        assert pair.info("B")["running"] and not pair.at_a()["protected"], pair.at_a()
        pair.check_one_voice()


def test_state_cannot_be_written_at_first():
    """No room for the generation: protect is refused, and the VM is as it was."""
    with Pair(hold="backup", protect=False, a_env={"REMUS_FAULT": "state_write:1:fail"}) as pair:
        reply = pair.a.call("protect", vm=pair.vm.uuid, to=pair.proxy.address)
        assert not reply["ok"] and reply["error"], reply
        wait_for("the attempt is over", lambda: pair.a.status(pair.vm.uuid) is None)
        assert pair.info("A")["running"] and state_files(pair.a) == []
        reachable(pair.rig, pair.vm)


def state_fails(at_b, **env):
    with Pair(hold="backup", a_conf=PATIENT, b_conf=PATIENT, **env) as pair:
        client = pair.client(clients=2)
        pair.wait_epochs(10)
        before = pair.generation()
        pair.proxy.cut()
        pair.wait_protected(above=before)
        check_client(client)
        assert not pair.failed_over()
        assert pair.said(pair.b if at_b else pair.a, "state-dir"), "nobody told"


def test_state_cannot_be_written_at_the_primary():
    """The disk is full when a new session needs a new generation: it is not used, and tried again."""
    state_fails(at_b=False, a_env={"REMUS_FAULT": "state_write:4:fail,state_write:5:fail"})


def test_state_cannot_be_written_at_the_backup():
    state_fails(at_b=True, b_env={"REMUS_FAULT": "state_write:2:fail,state_rename:2:fail"})


def test_takeover_waits_for_its_record():
    """I3: without a durable generation B may not activate. It says so, and tries until it can."""
    with Pair(hold="backup", b_env={"REMUS_FAULT": "state_write:2:fail,state_rename:2:fail"}) as pair:
        client = pair.client(clients=2)
        pair.wait_epochs(10)
        pair.rig.power_cut(pair.a, pair.vm)
        pair.wait_state(pair.b, "active")
        assert pair.said(pair.b, "activation", "not durable"), pair.b.events()
        check_client(client)
        pair.check_image("B")


def test_damaged_state_file():
    """A record that cannot be trusted is neither used nor thrown away."""
    with Pair(hold="backup") as pair:
        pair.wait_epochs(5)
        assert pair.a.end() == 0
        path = os.path.join(pair.a.state_dir, state_files(pair.a)[0])
        with open(path, "r+b") as f:
            f.seek(30)
            f.write(b"XX")
        pair.a.restart()
        assert "damaged" in pair.a.text(), pair.a.text()
        assert pair.a.status(pair.vm.uuid) is None 
        reply = pair.a.call("protect", vm=pair.vm.uuid, to=pair.proxy.address)
        assert not reply["ok"] and "damaged" in reply["error"] and reply["hint"], reply
        assert state_files(pair.a) == [os.path.basename(path)]
        reachable(pair.rig, pair.vm)
        os.unlink(path)
        wait_for("the attempt is over", lambda: pair.a.status(pair.vm.uuid) is None)
        pair.protect()  # B knows a later generation, and names it


if __name__ == "__main__":
    sys.exit(tap.run([(n[5:].replace("_", " "), f) for n, f in sorted(globals().items()) if n.startswith("test_")]))
