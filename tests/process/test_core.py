#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The product's promise, end to end: a protected VM outlives its host, and its clients do not notice."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checks import WHOLE_TEST_S, check_client  # noqa: E402
from rig import PATIENT, Rig, wait_for  # noqa: E402
import tap  # noqa: E402


def check_replica(rig, vm):
    report = rig.ask_vm("B", vm.uuid, "check")
    assert report and report["ok"], f"pattern check: {report}"


def outlives(hold):
    with Rig() as rig:
        a, b, vm = rig.protected_pair(hold=hold)
        client = rig.client(vm, seconds=WHOLE_TEST_S, clients=4)
        wait_for("client is served", lambda: b.status(vm.uuid).get("epoch", 0) > 20)
        rig.power_cut(a, vm)
        wait_for("B active", lambda: b.state(vm.uuid) == "active")
        check_client(client)
        check_replica(rig, vm)


def test_host_death_hold_backup():
    outlives("backup")


def test_host_death_hold_primary():
    outlives("primary")


def test_first_copy_under_a_heavy_writer():
    """The last capture of a first copy takes longer to code than an epoch lasts: it must come to its end, whole."""
    with Rig() as rig:
        writer = {"mem_mb": 80, "pattern_mb": 4, "dirty_rate": 80000, "dirty_span_mb": 64, "dirty_order": "seq",
                  "content": "text"}
        a, b, vm = rig.protected_pair(writer, a_conf=PATIENT, b_conf=PATIENT)
        wait_for("epochs go on", lambda: b.status(vm.uuid).get("epoch", 0) > 5, timeout=120)
        assert not b.saw("replica-failed"), b.events()
        rig.power_cut(a, vm)
        wait_for("B active", lambda: b.state(vm.uuid) == "active")
        check_replica(rig, vm)


if __name__ == "__main__":
    sys.exit(tap.run([(n[5:].replace("_", " "), f) for n, f in sorted(globals().items()) if n.startswith("test_")]))
