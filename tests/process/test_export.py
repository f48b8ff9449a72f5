#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""remusctl export with a backend whose VMs cannot be started from a file: refused, and nothing is changed."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checks import Pair  # noqa: E402
from rig import program, wait_for  # noqa: E402
import tap  # noqa: E402

FAILED, UNKNOWN_VM = 1, 4


def export(pair, vm, path, *options):
    return subprocess.run([program("remusctl"), "--socket", pair.b.socket, "export", vm, path, *options],
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)


def epoch(pair):
    return pair.b.call("status")["vms"][0]["epoch"]


def sim_has_no_file():
    with Pair() as pair, tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "vm")
        done = export(pair, pair.vm.vm_name, path)
        assert done.returncode == FAILED and "backend sim" in done.stderr and "hint:" in done.stderr, done
        before = epoch(pair)
        wait_for("epochs go on", lambda: epoch(pair) > before + 2)
        assert os.listdir(where) == [], os.listdir(where)
        assert pair.b.call("status")["vms"][0]["export"] is None


def only_a_protected_vm():
    with Pair(protect=False) as pair, tempfile.TemporaryDirectory() as where:
        done = export(pair, pair.vm.vm_name, os.path.join(where, "vm"))
        assert done.returncode == UNKNOWN_VM and pair.vm.vm_name in done.stderr, done
        assert os.listdir(where) == []


def file_must_be_absolute():
    with Pair(protect=False) as pair:
        for file in ({}, {"file": "vm"}, {"file": 3}):
            reply = pair.b.call("export", vm=pair.vm.vm_name, **file)
            assert reply["code"] == "bad-request" and "absolute" in reply["hint"], reply


TESTS = [sim_has_no_file, only_a_protected_vm, file_must_be_absolute]

if __name__ == "__main__":
    sys.exit(tap.run([(test.__name__.replace("_", " "), test) for test in TESTS]))
