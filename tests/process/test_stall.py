#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit-s: 400
"""Processes that stop and go on (SIGSTOP, SIGCONT), as under a debugger, a full swap or a paused host; and daemons
that start in the wrong order."""
import contextlib
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checks import Pair, check_client  # noqa: E402
from rig import PATIENT, wait_for  # noqa: E402
import tap  # noqa: E402


@contextlib.contextmanager
def stalled(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def briefly(pair, pid):
    """Stalls well below the lease change nothing."""
    client = pair.client(clients=4)
    before = pair.generation()
    for _ in range(3):
        pair.wait_epochs(5)
        with stalled(pid):
            time.sleep(0.3)
    pair.wait_epochs(5)
    check_client(client)
    assert pair.generation() == before and pair.sessions() == 1, pair.a.events()
    assert not pair.failed_over()


def test_primary_child_briefly():
    with Pair(hold="backup") as pair:
        briefly(pair, pair.a.child_pid(pair.vm.uuid))


def test_backup_child_briefly():
    with Pair(hold="primary") as pair:
        briefly(pair, pair.b.child_pid(pair.vm.uuid))


def primary_child_for_long(hold):
    """Nobody stops the VM at A meanwhile: it runs, but it is not heard."""
    with Pair(hold=hold) as pair:
        client = pair.client(clients=4)
        pair.wait_epochs(20)
        with stalled(pair.a.child_pid(pair.vm.uuid)):
            pair.wait_state(pair.b, "active")
        pair.wait_gone_at_a()
        assert pair.said(pair.a, "fenced"), pair.a.events()
        check_client(client)
        pair.check_one_voice()
        pair.check_image("B")


def test_primary_child_for_long_hold_backup():
    primary_child_for_long("backup")


def test_primary_child_for_long_hold_primary():
    primary_child_for_long("primary")


def test_primary_child_for_long_in_the_first_copy():
    """Nothing can be resumed, and half a copy does not stay in B's memory for ever: a dead host closes nothing."""
    slow = {"REMUS_FAULT": "primary_copy_slice:2:sleep-ms=60000"}
    with Pair(protect=False, a_env=slow) as pair:
        assert pair.a.call("protect", vm=pair.vm.uuid, to=pair.proxy.address)["ok"]
        pair.wait_state(pair.b, "receiving")
        assert pair.at_b()["memory_bytes"] > 0
        pair.wait_state(pair.b, "failed")
        assert pair.causes(pair.b) == {"link-lost"} and pair.at_b()["memory_bytes"] == 0, pair.at_b()
        assert not pair.failed_over()


def test_backup_child_for_long():
    """A has no lease and stops the VM. When B's child comes to itself it may find A alive, or silent for so long
    that it takes over: both are right, and one copy goes on."""
    with Pair(hold="backup") as pair:
        client = pair.client(clients=4)
        pair.wait_epochs(20)
        with stalled(pair.b.child_pid(pair.vm.uuid)):
            pair.wait_state(pair.a, "blocked")
            time.sleep(0.5)
            pair.check_silent_at_a()
        wait_for("one copy goes on", lambda: pair.at_a().get("state") == "protected" or
                 pair.b.state(pair.vm.uuid) == "active")
        check_client(client)
        pair.check_one_voice()
        if pair.failed_over():
            pair.wait_gone_at_a()
            pair.check_image("B")
        else:
            pair.wait_protected()
            pair.check_image("A")


def parents(pair, daemon):
    """The parents only answer questions: without them a VM stays protected."""
    client = pair.client(clients=4)
    pair.wait_epochs(10)
    other = pair.b if daemon is pair.a else pair.a
    sealed = other.status(pair.vm.uuid)["epochs_sealed"]
    with stalled(daemon.pid):
        time.sleep(2.5)
        wait_for("epochs go on", lambda: other.status(pair.vm.uuid)["epochs_sealed"] > sealed + 20)
    wait_for("status is fresh again", lambda: daemon.status(pair.vm.uuid)["age_ms"] < 1000 and
             pair.at_a()["epochs_sealed"] > sealed + 20)
    check_client(client)
    assert pair.sessions() == 1 and not pair.failed_over(), pair.a.events()
    assert pair.at_a()["state"] == "protected"


def test_backup_parent():
    with Pair(hold="backup", a_conf=PATIENT, b_conf=PATIENT) as pair:
        parents(pair, pair.b)


def test_primary_parent():
    with Pair(hold="backup", a_conf=PATIENT, b_conf=PATIENT) as pair:
        parents(pair, pair.a)


# ---- start-up in the wrong order ----

def test_primary_before_backup():
    """Both were stopped in good order: the VM needs no backup to run, and is protected when one comes."""
    with Pair(hold="backup") as pair:
        client = pair.client(clients=2)
        before = pair.generation()
        assert pair.a.end() == 0, pair.a.text()
        assert pair.b.end() == 0, pair.b.text()
        pair.a.restart()
        wait_for("it looks for the backup", lambda: pair.at_a().get("state") == "connecting")
        assert pair.info("A")["running"], "the VM waits for a backup that holds nothing"
        assert not pair.at_a()["protected"] and "unprotected" in pair.causes(), pair.at_a()
        pair.b.restart()
        pair.wait_protected(above=before)
        check_client(client)
        assert not pair.failed_over()


def test_primary_back_before_the_link():
    """remusd died without a word and is back before it can ask B, which may run the VM: A waits, stopped."""
    with Pair(hold="backup") as pair:
        client = pair.client(clients=2)
        pair.wait_epochs(20)
        pair.proxy.unplug()
        for pid in (pair.a.pid, pair.a.child_pid(pair.vm.uuid)):
            os.kill(pid, signal.SIGKILL)
        pair.a.restart()
        pair.wait_state(pair.a, "blocked")
        pair.check_silent_at_a()
        pair.wait_state(pair.b, "active")
        pair.check_silent_at_a()
        pair.proxy.heal()
        pair.wait_gone_at_a()
        check_client(client)
        pair.check_one_voice()
        pair.check_image("B")


def test_backup_takes_long_to_make_room():
    """As for a VM of many gigabytes: it is waited for while its host is there."""
    with Pair(hold="backup", a_conf={"connect_timeout_ms": 1000},
              b_env={"REMUS_FAULT": "backup_replica_create:1:sleep-ms=3000"}) as pair:
        assert pair.generation() == 1 and pair.sessions() == 1, pair.a.events()


def test_connections_in_reverse():
    """What A sent long ago arrives after what it sent last: generations only grow, and A comes through."""
    with Pair(hold="backup", a_conf={"welcome_timeout_ms": 1000}, b_conf=PATIENT) as pair:
        client = pair.client(clients=2)
        pair.wait_epochs(10)
        before = pair.generation()
        pair.proxy.hold_connections()
        pair.proxy.cut()
        wait_for("A tries again and again", lambda: pair.generation() >= before + 4)
        pair.proxy.let_in(newest_first=True)
        pair.wait_protected(above=before)
        pair.wait_epochs(10)
        check_client(client)
        seen = [int(e["text"].rsplit(" ", 1)[1]) for e in pair.said(pair.b, "session", "generation")]
        assert seen == sorted(set(seen)), f"generations at B: {seen}"
        assert not pair.failed_over() and pair.sessions() <= 3, pair.a.events()


def test_backup_alone():
    """backupd without any primary is not in trouble."""
    with Pair(hold="backup", protect=False) as pair:
        assert pair.b.call("list")["vms"] == []
        assert not [e for e in pair.b.events() if e["level"] == "error"], pair.b.events()
        pair.protect()


if __name__ == "__main__":
    sys.exit(tap.run([(n[5:].replace("_", " "), f) for n, f in sorted(globals().items()) if n.startswith("test_")]))
