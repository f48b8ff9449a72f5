#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Protection ends while the VM may yet obey a stop that was asked: its process stays until that is over."""
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faulty import WATCH_S, faulty  # noqa: E402
from rig import wait_for  # noqa: E402
import tap  # noqa: E402


def stays_for(pair, ended):
    """A's process of the VM has ended protection, and does not leave the VM alone."""
    wait_for("it says so", lambda: pair.a.saw("late-stop"))
    time.sleep(WATCH_S)
    assert not ended() and pair.runs_at_a()


def test_unprotected_while_a_stop_may_yet_come():
    """The answer comes when the VM is free; the process says what it waits for, and does nothing else."""
    with faulty() as pair, ThreadPoolExecutor() as pool:
        with pair.rule("settled EBUSY"):
            answer = pool.submit(pair.a.call, "unprotect", vm=pair.vm.uuid)
            stays_for(pair, answer.done)
            status = wait_for("its status goes on", lambda: pair.fresh_status(1000))
            assert status["state"] == "stopped" and "late-stop" in pair.causes(), status
            reply = pair.a.call("unprotect", vm=pair.vm.uuid, force=True)
            assert reply["code"] == "busy" and "waiting" in reply["error"], reply
            assert pair.a.call("protect", vm=pair.vm.uuid, to=pair.b.address)["code"] == "already-protected"
            wait_for("B has let go of it", lambda: pair.b.status(pair.vm.uuid) is None)
        assert answer.result()["ok"] and pair.a.status(pair.vm.uuid) is None
        assert pair.a.call("protect", vm=pair.vm.uuid, to=pair.b.address)["ok"]
        pair.wait_protected()


def test_remusd_stopped_while_a_stop_may_yet_come():
    """Its child outlives it, and the next one's child goes on when that has ended."""
    with faulty() as pair:
        with pair.rule("settled EBUSY"):
            child = pair.a.status(pair.vm.uuid)["pid"]
            pair.a.end()
            time.sleep(WATCH_S)
            assert os.path.exists(f"/proc/{child}") and pair.runs_at_a()
            pair.a.restart()
            wait_for("it is in the way", lambda: pair.a.saw("not-resumed"))
        pair.wait_protected()
        wait_for("it has ended", lambda: not os.path.exists(f"/proc/{child}"))


def test_vm_that_ends_while_a_stop_of_it_may_yet_come():
    with faulty() as pair, ThreadPoolExecutor() as pool:
        with pair.rule("settled EBUSY"):
            answer = pool.submit(pair.a.call, "unprotect", vm=pair.vm.uuid)
            stays_for(pair, answer.done)
            pair.rig.ask_vm("A", pair.vm.uuid, "shutdown")
            assert answer.result()["ok"]


if __name__ == "__main__":
    sys.exit(tap.run([(n[5:].replace("_", " "), f) for n, f in sorted(globals().items()) if n.startswith("test_")]))
