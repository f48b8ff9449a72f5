#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""One backup behind many primaries and VMs, and the limits it keeps."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checks import WHOLE_TEST_S, Pair, check_client  # noqa: E402
from rig import PATIENT, UNHURRIED, Rig, wait_for  # noqa: E402
import tap  # noqa: E402


def protect(daemon, vm, b):
    reply = daemon.call("protect", vm=vm.uuid, to=b.address, epoch_ms=50)
    assert reply["ok"], reply
    wait_for(f"{vm.name} protected", lambda: daemon.state(vm.uuid) == "protected")


def host_dies(daemon, vms):
    """Everything of one host at one instant."""
    pids = [daemon.pid] + [daemon.child_pid(vm.uuid) for vm in vms] + [vm.pid for vm in vms]
    for sig in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, sig)


def test_two_hosts_two_vms_each():
    with Rig() as rig:
        b = rig.backupd("B")
        hosts = {"A": rig.remusd("A"), "C": rig.remusd("C")}
        vms = {"A": [rig.vm("A", 1), rig.vm("A", 2)], "C": [rig.vm("C", 3), rig.vm("C", 4)]}
        for host, daemon in hosts.items():
            for vm in vms[host]:
                protect(daemon, vm, b)
        clients = [rig.client(vm, seconds=WHOLE_TEST_S, clients=1, interval_ms=10) for host in "AC" for vm in vms[host]]
        listed = {v["uuid"]: v for v in b.call("list")["vms"]}
        assert set(listed) == {vm.uuid for host in "AC" for vm in vms[host]}, listed
        assert len({v["pid"] for v in listed.values()}) == 4, "one process per VM"
        wait_for("all stand by", lambda: {v["state"] for v in b.call("status")["vms"]} == {"standby"})

        sealed = {vm.uuid: b.status(vm.uuid)["epochs_sealed"] for vm in vms["C"]}
        host_dies(hosts["A"], vms["A"])
        for vm in vms["A"]:
            wait_for(f"{vm.name} runs at B", lambda u=vm.uuid: b.state(u) == "active")
        time.sleep(1)
        for vm in vms["C"]:
            wait_for(f"epochs of {vm.name} go on", lambda u=vm.uuid: b.status(u)["epochs_sealed"] > sealed[u])
            wait_for(f"{vm.name} is protected", lambda u=vm.uuid: hosts["C"].state(u) == "protected" and
                     b.state(u) == "standby")
            wait_for(f"{vm.name} runs at C", lambda u=vm.uuid: rig.ask_vm("C", u, "info")["running"])
        for client in clients:
            check_client(client)
        for vm in vms["A"]:
            assert rig.ask_vm("B", vm.uuid, "check")["ok"]
        assert {e["uuid"] for e in b.saw("takeover")} == {vm.uuid for vm in vms["A"]}


def test_a_process_that_cannot_start_takes_no_place():
    with Rig() as rig:
        b = rig.backupd("B", env={"REMUS_FAULT": "parent_spawn:1:fail"}, max_vms=1)
        a, first, second = rig.remusd("A"), rig.vm("A", 1), rig.vm("A", 2)
        assert not a.call("protect", vm=first.uuid, to=b.address)["ok"]
        protect(a, second, b)


def test_a_process_that_died_keeps_no_place():
    """Its VM is protected no more, and another one may take its place."""
    with Rig() as rig:
        b = rig.backupd("B", max_vms=1, **PATIENT)
        a, first = rig.remusd("A"), rig.vm("A", 1)
        protect(a, first, b)
        host_dies(a, [first])
        b.kill_child(first.uuid)
        wait_for("it died", lambda: b.saw("child-died"))
        protect(rig.remusd("C"), rig.vm("C", 2), b)


def test_one_child_dies_alone():
    """One process per VM: what kills the child of one does not touch the other."""
    with Rig() as rig:
        b, a = rig.backupd("B", **PATIENT), rig.remusd("A", **PATIENT)
        vms = [rig.vm("A", 1), rig.vm("A", 2)]
        for vm in vms:
            protect(a, vm, b)
        generation = a.status(vms[1].uuid)["generation"]
        b.kill_child(vms[0].uuid)
        wait_for("the first is protected again", lambda: a.state(vms[0].uuid) == "protected" and
                 a.status(vms[0].uuid)["generation"] > generation)
        assert a.status(vms[1].uuid)["generation"] == generation and a.state(vms[1].uuid) == "protected"


def refused(pair, vm, *words):
    reply = pair.a.call("protect", vm=vm.uuid, to=pair.b.address)
    assert not reply["ok"], reply
    for word in words:
        assert word in reply["error"], reply
    assert "\n" not in reply["error"]
    wait_for("nothing is left of it", lambda: pair.a.status(vm.uuid) is None)
    assert not os.path.exists(os.path.join(pair.a.state_dir, vm.uuid + ".state"))
    wait_for("it runs", lambda: pair.rig.ask_vm("A", vm.uuid, "info")["running"])


def test_max_vms():
    with Pair(a_conf=PATIENT, b_conf={"max_vms": 1, **PATIENT}) as pair:
        second = pair.rig.vm(number=2)
        refused(pair, second, "max_vms")
        assert pair.at_a()["state"] == "protected"
        assert pair.a.call("unprotect", vm=pair.vm.uuid)["ok"]
        wait_for("its place is free", lambda: pair.b.status(pair.vm.uuid) is None)
        protect(pair.a, second, pair.b)


def test_replica_max_mb():
    with Pair(a_conf=PATIENT, b_conf={"replica_max_mb": 16, **PATIENT}) as pair:
        large = pair.rig.vm(number=2, mem_mb=32)
        refused(pair, large, "replica_max_mb", "32")
        assert pair.at_a()["state"] == "protected"
        wait_for("B keeps nothing of it", lambda: pair.b.status(large.uuid) is None)


def test_epochs_larger_than_staging():
    """1 MiB of staging is 256 pages. Larger epochs are written in place: there is no replica meanwhile, and nobody
    says that there is."""
    vm_opts = {"dirty_rate": 16000, "dirty_span_mb": 8, "dirty_order": "seq", "content": "random"}
    with Pair(vm_opts, a_conf=PATIENT, b_conf={"staging_mb": 1, **PATIENT}, protect=False) as pair:
        assert pair.a.call("protect", vm=pair.vm.uuid, to=pair.proxy.address, epoch_ms=50)["ok"]
        client = pair.client(clients=2)
        wait_for("A says so", lambda: pair.said(pair.a, "epoch-in-place"))
        wait_for("B says so", lambda: pair.said(pair.b, "epoch-in-place"))
        for _ in range(40):
            status = pair.at_a()
            assert not (status["protected"] and "epoch-in-place" in {d["cause"] for d in status["degraded"]}), status
            time.sleep(0.05)
        pair.wait_epochs(10)
        assert pair.at_b()["staging_bytes"] <= 2 << 20, pair.at_b()
        check_client(client)
        assert pair.sessions() == 1 and not pair.failed_over(), pair.a.events()


def test_burst_larger_than_staging():
    """A pause of the link lets dirty pages pile up beyond staging once; afterwards all is as before."""
    vm_opts = {"dirty_rate": 400, "dirty_span_mb": 4, "dirty_order": "seq", "content": "sparse"}
    # Both bear with the pause, and the guest goes on in it.
    with Pair(vm_opts, b_conf={"staging_mb": 1, **UNHURRIED}, a_conf={"window_epochs": 1, **UNHURRIED}) as pair:
        client = pair.client(clients=2)
        pair.wait_epochs(10)
        before = len(pair.said(pair.a, "epoch-in-place"))  # a busy machine stretches a quiet epoch now and then
        pair.proxy.freeze()
        time.sleep(1.5)
        pair.proxy.thaw()
        wait_for("one epoch went in place", lambda: len(pair.said(pair.a, "epoch-in-place")) > before)
        pair.wait_epochs(10)
        wait_for("all is well again", lambda: pair.causes() == set() and pair.at_b()["degraded"] == [] and
                 pair.at_b()["protected"] and pair.at_a()["protected"])
        check_client(client)
        pair.rig.power_cut(pair.a, pair.vm)
        pair.wait_state(pair.b, "active")
        pair.check_image("B")


def test_link_lost_with_an_epoch_in_place():
    """What is said of a session is over with it."""
    vm_opts = {"dirty_rate": 900, "dirty_span_mb": 4, "dirty_order": "seq", "content": "random"}
    with Pair(vm_opts, b_conf={"staging_mb": 1}, a_conf={"window_epochs": 1}) as pair:
        pair.wait_epochs(10)
        pair.proxy.freeze()
        time.sleep(1.2)
        pair.proxy.slow(4096, 0.02, "up")
        pair.proxy.thaw()
        wait_for("an epoch goes in place", lambda: "epoch-in-place" in pair.causes())
        pair.proxy.unplug()
        wait_for("it ends with the session", lambda: "unprotected" in pair.causes() and
                 not pair.causes() & {"epoch-in-place", "backup-silent", "behind"})
        pair.proxy.heal()
        pair.wait_protected()
        assert pair.sessions() == 2, pair.a.events()


if __name__ == "__main__":
    sys.exit(tap.run([(n[5:].replace("_", " "), f) for n, f in sorted(globals().items()) if n.startswith("test_")]))
