# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the guest's frames go when protection begins, ends, or loses a process (docs/xen.md, "The guest's network"),
and the hotplug program."""

from lablib.fixture import until
from lablib.layout import GUEST_IP, NUMBERED_PORT

HOLD, OWN = "remus-hold", "xenbr0"
GUEST_MAC = "00:16:3e:77:00:20"


def vif_of(scene, host):
    domid = scene.protection.must_run(host, "xl domid guest").strip()
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


def kill_all(scene, daemon):
    """The daemon and its processes, all at once."""
    host = scene.protection.host_of(daemon)
    scene.protection.must_run(host, f"kill -9 $(pidof {daemon})")


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


def backup_dies(scene):
    """No network, until protection is ended by force; and then again as before."""
    p = scene.protected()
    kill_all(scene, "backupd")
    p.wait("A", lambda status: status and "lease-lost" in [d["cause"] for d in status["degraded"]])
    assert bridge_of(scene, "A") == HOLD and not p.reachable()
    p.unprotect("--force")
    assert bridge_of(scene, "A") == OWN
    answers(scene)
    p.start_daemon("backupd")
    p.protect()
    answers(scene)


def agent_dies(scene):
    """The copy here keeps its mouth shut; the backup resumes the VM; what is here goes when remusd is back."""
    p = scene.protected()
    talk = scene.talk()
    kill_all(scene, "remusd")
    p.wait("B", lambda status: status and status["state"] == "active")
    assert scene.domains("A") == ["guest"] and bridge_of(scene, "A") == HOLD
    until("the switch sends to B", lambda: where_frames_go(scene) == ["frontB"])
    talk.more()
    p.start_daemon("remusd")
    until("the stale copy is gone", lambda: scene.domains("A") == [])
    talk.more()
    talk.finish()


def both_die(scene):
    """Nobody may speak for the guest, nor the agent that is started again: until the operator says so."""
    p = scene.protected()
    kill_all(scene, "backupd")
    kill_all(scene, "remusd")
    assert bridge_of(scene, "A") == HOLD and not p.reachable()
    p.start_daemon("remusd")
    p.wait("A", lambda status: status and "lease-lost" in [d["cause"] for d in status["degraded"]])
    assert bridge_of(scene, "A") == HOLD and not p.reachable()
    p.unprotect("--force")
    assert bridge_of(scene, "A") == OWN
    answers(scene)


TESTS = [("vif-remus: up, off, left alone when taken, and what it says of a bridge that is not there", program),
         ("the backup's bridge has another name", other_bridge),
         ("protect and unprotect: interface, switches and answers, frames held at the backup and at the primary",
          begins_and_ends),
         ("backupd is killed: no network until unprotect --force", backup_dies),
         ("remusd and its process are killed: silent here, resumed there", agent_dies),
         ("both daemons are killed: silent until unprotect --force, after remusd was started again", both_die)]
