# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the guest's frames go when protection begins, ends, or loses a process (docs/xen.md, "The guest's network"),
and the hotplug program."""

import functools

from lablib.fixture import until
from lablib.layout import GUEST_IP, NUMBERED_PORT
from lablib.protect import RUN_DIR

HOLD, OWN = "remus-hold", "xenbr0"
GUEST_MAC = "00:16:3e:77:00:20"


def vif_of(scene, host):
    domid = scene.domid(host)
    return f"vif{domid}.0", f"backend/vif/{domid}/0"


def bridge_of(scene, host):
    vif, _ = vif_of(scene, host)
    return scene.protection.must_run(host, f"basename $(readlink /sys/class/net/{vif}/master)").strip()


def where_frames_go(scene):
    """The port of the outer bridge behind which it believes the guest to be."""
    with scene.lab.client(["bridge", "fdb", "show", "br", "br-front"], stdout=-1, text=True) as process:
        lines = process.communicate(timeout=20)[0].splitlines()
    return [line.split()[2] for line in lines if line.startswith(GUEST_MAC)]


def answers(scene):
    until("the guest answers", lambda: scene.protection.reachable(GUEST_IP, NUMBERED_PORT))


def protected(scene, hold):
    """Frames are held at the backup in the state that is kept."""
    if hold == "backup":
        return scene.protected()
    p = scene.ready()
    p.protect(hold=hold)
    return p


def hotplug(scene, host, action):
    vif, path = vif_of(scene, host)
    return scene.lab.run(host, f"vif={vif} XENBUS_PATH={path} /etc/xen/scripts/vif-remus {action} type_if=vif")


def program(scene):
    """It brings the guest up, leaves a taken interface alone, and says what is wrong."""
    p = scene.ready()
    assert bridge_of(scene, "A") == OWN
    vif, path = vif_of(scene, "A")
    assert hotplug(scene, "A", "offline")[0] == 0
    assert scene.lab.run("A", f"test -e /sys/class/net/{vif}/master")[0] != 0
    assert hotplug(scene, "A", "online")[0] == 0
    answers(scene)
    p.protect()
    assert bridge_of(scene, "A") == HOLD
    assert hotplug(scene, "A", "online")[0] == 0
    assert bridge_of(scene, "A") == HOLD, "a taken interface was put where its guest can speak"
    p.unprotect()
    p.must_run("A", f"xenstore-write {path}/bridge nowhere")
    status, said = hotplug(scene, "A", "online")
    assert status == 1 and "there is no bridge nowhere" in said, said
    assert "there is no bridge nowhere" in p.must_run("A", f"xenstore-read {path}/hotplug-error")


def other_bridge(scene):
    """The backup's bridge need not be called as the primary's."""
    p = scene.ready()
    talk = scene.talk()
    p.must_run("B", "ip link add br-b type bridge; ip link set br-b up; ip link set $(basename $(ls -d "
                    "/sys/class/net/xenbr0/brif/* | head -n 1)) master br-b")
    p.end_daemon("backupd")
    p.settings["backupd"]["net"] = "packet:br-b"
    p.configure("backupd")
    p.start_daemon("backupd")
    p.protect()
    scene.kill_primary()
    scene.check_took_over(talk)
    assert bridge_of(scene, "B") == "br-b"


def begins_and_ends(scene):
    """The switches learn at once where a guest is that says nothing."""
    p = scene.ready()
    answers(scene)
    for hold, place in (("backup", "frontB"), ("primary", "frontA")):
        p.protect(hold=hold)
        assert bridge_of(scene, "A") == HOLD
        until(f"the switch sends to {place}", lambda: where_frames_go(scene) == [place])
        answers(scene)
        p.unprotect()
        assert bridge_of(scene, "A") == OWN
        until("the switch sends to frontA", lambda: where_frames_go(scene) == ["frontA"])
        answers(scene)


def backup_dies(hold, scene):
    """No network, until protection is ended by force; and then again as before."""
    p = protected(scene, hold)
    p.kill_all("backupd")
    p.wait("A", lambda status: status and "lease-lost" in [d["cause"] for d in status["degraded"]])
    assert bridge_of(scene, "A") == HOLD and not p.reachable()
    p.unprotect("--force")
    assert bridge_of(scene, "A") == OWN
    answers(scene)
    p.start_daemon("backupd")
    p.protect(hold=hold)
    answers(scene)


def resumed_elsewhere(scene, talk, come_back):
    """The copy here keeps its mouth shut; the backup resumes the VM; what is here goes when remusd is back."""
    scene.protection.wait("B", lambda status: status and status["state"] == "active")
    assert scene.domains("A") == ["guest"] and bridge_of(scene, "A") == HOLD
    until("the switch sends to B", lambda: where_frames_go(scene) == ["frontB"])
    talk.more()
    come_back()
    until("the stale copy is gone", lambda: scene.domains("A") == [])
    talk.more()
    talk.finish()


def agent_dies(hold, scene):
    p = protected(scene, hold)
    talk = scene.talk()
    p.kill_all("remusd")
    resumed_elsewhere(scene, talk, lambda: p.start_daemon("remusd"))


def vm_process_dies_alone(scene):
    """remusd stands still, and starts no other."""
    p = scene.protected()
    talk = scene.talk()
    daemon = f"$(cat {RUN_DIR}/remusd.pid)"
    p.must_run("A", f"kill -STOP {daemon}; kill -9 {p.status('A')['pid']}")
    resumed_elsewhere(scene, talk, lambda: p.must_run("A", f"kill -CONT {daemon}"))


def ends(scene, daemon, signal):
    """Its VMs' processes take leave of the other side: the guest speaks for itself until the daemon is back."""
    p = scene.protection
    p.end_daemon(daemon, signal)
    until("the interface is on its own bridge", lambda: bridge_of(scene, "A") == OWN)
    until("the switch sends to frontA", lambda: where_frames_go(scene) == ["frontA"])
    answers(scene)
    until("the replica is gone", lambda: scene.domains("B") == [])
    assert scene.domains("A") == ["guest"]
    p.start_daemon(daemon)
    scene.check_protected_again()
    assert bridge_of(scene, "A") == HOLD and not p.events("B", "takeover"), p.events("B")
    print(f"# protected again after SIG{signal} for {daemon}", flush=True)


def both_end(signal, scene):
    """One after the other; the guest's clients do not notice."""
    scene.protected()
    talk = scene.talk()
    for daemon in ("remusd", "backupd"):
        ends(scene, daemon, signal)
        talk.more()
    talk.finish()


def end_not_answered(scene):
    """The backup may still resume the VM, which stands still until remusd has asked it."""
    p = scene.protected()
    talk = scene.talk()
    child = p.status("B")["pid"]
    p.must_run("B", f"kill -STOP {child}")
    p.end_daemon("remusd")
    assert scene.domains("A") == ["guest"] and bridge_of(scene, "A") == HOLD and not p.reachable()
    p.must_run("B", f"kill -CONT {child}")
    p.start_daemon("remusd")
    scene.check_protected_again()
    assert not p.events("B", "takeover"), p.events("B")
    talk.more()
    talk.finish()


def both_die(scene):
    """Nobody may speak for the guest, nor the agent that is started again: until the operator says so."""
    p = scene.protected()
    p.kill_all("backupd")
    p.kill_all("remusd")
    assert bridge_of(scene, "A") == HOLD and not p.reachable()
    p.start_daemon("remusd")
    p.wait("A", lambda status: status and "lease-lost" in [d["cause"] for d in status["degraded"]])
    assert bridge_of(scene, "A") == HOLD and not p.reachable()
    p.unprotect("--force")
    assert bridge_of(scene, "A") == OWN
    answers(scene)


TESTS = [("vif-remus: up, off, left alone when taken, and what it says of a bridge that is not there", program),
         ("protect and unprotect: interface, switches and answers, frames held at the backup and at the primary",
          begins_and_ends),
         ("backupd is killed: no network until unprotect --force", functools.partial(backup_dies, "backup")),
         ("remusd and its process are killed: silent here, resumed there", functools.partial(agent_dies, "backup")),
         ("the VM's process is killed, and remusd stands still: silent here, resumed there", vm_process_dies_alone),
         ("a clean end of remusd, and of backupd: the guest's own bridge, then protected again",
          functools.partial(both_end, "TERM"))]
MISHAPS = [("the backup's bridge has another name", other_bridge),
           ("both daemons are killed: silent until unprotect --force, after remusd was started again", both_die),
           ("backupd is killed, frames held at the primary: no network until unprotect --force",
            functools.partial(backup_dies, "primary")),
           ("remusd and its process are killed, frames held at the primary: silent here, resumed there",
            functools.partial(agent_dies, "primary")),
           ("remusd ends and the backup does not answer: silent until remusd was started again", end_not_answered),
           ("remusd alone is killed, then backupd alone: the guest's own bridge, then protected again",
            functools.partial(both_end, "KILL"))]
