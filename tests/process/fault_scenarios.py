# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways to bring a fault point about. Each returns once the point must have been reached."""
import os
import signal

from rig import wait_for


def steady(run):
    run.protect()
    run.wait_hit()


def first_session(run):
    """The protect command itself may be struck; protection comes about without being asked for again."""
    run.ask_protect()
    run.wait_hit()


def refused_then_repeated(run):
    """Protect fails and leaves everything as it was; asked again, it works."""
    reply = run.ask_protect()
    assert not (reply and reply["ok"]), f"protect: {reply}"
    run.wait_hit()
    wait_for("A has let go of it", lambda: not run.at_a())
    run.wait_served()

    def accepted():
        run.revive()
        answer = run.ask_protect()
        return answer and answer["ok"]
    wait_for("protect works when asked again", accepted)


def protected(run):
    run.protect()
    wait_for("protected", lambda: run.at_a().get("state") == "protected" and run.at_b().get("state") == "standby")


def host_death(run):
    protected(run)
    run.wait_served()
    run.power_cut()
    run.wait_hit()


def primary_child_killed(run):
    protected(run)
    os.kill(run.at_a()["pid"], signal.SIGKILL)
    run.wait_hit()


def backup_child_killed(run):
    protected(run)
    os.kill(run.at_b()["pid"], signal.SIGKILL)
    run.wait_hit()


def planned_failover(run):
    protected(run)
    run.order(run.a, cmd="failover")
    run.wait_hit()


def forced_failover(run):
    protected(run)
    run.order(run.b, cmd="failover", force=True)
    run.wait_hit()


def unprotect(run):
    protected(run)
    run.order(run.a, cmd="unprotect")
    run.wait_hit()


def cut_until_taken_over(run):
    protected(run)
    run.proxy.freeze()
    wait_for("B runs the VM", lambda: run.at_b().get("state") == "active")
    run.proxy.thaw()
    run.wait_hit()


def cut_until_struck(run):
    protected(run)
    run.proxy.freeze()
    run.wait_hit()
    run.proxy.thaw()


def cut_until_forgotten(run):
    """B was about to run the VM, and nobody but a person can tell that it did not."""
    cut_until_struck(run)
    run.settle("blocked")
    run.check_copies("blocked")
    reply = run.b.call("forget", vm=run.vm.uuid)
    assert reply["ok"], reply


def copy_at_b_dies(run):
    """B's copy has run and spoken, is gone, and then A's stale one is heard of again."""
    protected(run)
    run.proxy.freeze()
    run.wait_hit()
    wait_for("B runs the VM", lambda: run.at_b().get("state") == "active")
    run.wait_served()
    run.rig.ask_vm("B", run.vm.uuid, "destroy")
    run.proxy.thaw()


def meanwhile(who):
    """The struck process is asleep at the point while another one is killed."""
    pid = {"remusd": lambda run: run.a.pid, "backupd": lambda run: run.b.pid,
           "primary child": lambda run: run.at_a()["pid"], "backup child": lambda run: run.at_b()["pid"]}[who]

    def scenario(run):
        steady(run)
        os.kill(pid(run), signal.SIGKILL)
    scenario.__name__ = f"{who} killed meanwhile"
    return scenario


def host_dies_meanwhile(run):
    """On a long link several epochs are in flight, and what the guest answered in them is held. They are lost with
    the host."""
    run.proxy.delay(0.06)
    steady(run)
    run.proxy.freeze()
    run.power_cut()


# What waits for the end of a lease; the others are at their end without one side losing patience with the other.
LEASE_ENDS = {host_death, forced_failover, cut_until_taken_over, cut_until_struck, cut_until_forgotten,
              copy_at_b_dies, host_dies_meanwhile}
