# SPDX-License-Identifier: GPL-2.0-or-later
"""What cannot be protected, or not to this backup: refused with the reason, and the guest is as it was."""

import shlex

from lablib import layout, migration
from lablib.fixture import until
from lablib.protect import DAEMONS, PROGRAM_DIR, is_protected

UUID = "7e11ab1e-0000-4000-8000-000000000001"
OTHER_UUID = "7e11ab1e-0000-4000-8000-0000000000ff"
SPARE_MB = 40     # left free on the backup: too little for any guest
HVM_WAIT_S = 30
DISK = "/etc/xen/disk"
SAVED, GUEST_MB = "/run/saved", 128
# A disk's hotplug script without udev and locks.
BLOCK_SCRIPT = """#!/bin/sh
[ "$1" = add ] || exit 0
disk=$(xenstore-read "$XENBUS_PATH/params")
xenstore-write "$XENBUS_PATH/physical-device" "7:$(printf %x "${disk#/dev/loop}")"
xenstore-write "$XENBUS_PATH/hotplug-status" connected
"""
HVM_GUEST = """name = "other"
type = "hvm"
memory = 32
maxmem = 32
device_model_override = "/etc/xen/sleeper"
bios_path_override = "/etc/xen/sleeper"
vga = "none"
vnc = 0
"""
NOBODY = "nobody:x:65534:65534::/:/bin/sh"
NOBODYS = "/tmp/nobody"


def refused(p, *words, vm="guest"):
    reply = p.ctl("A", "protect", vm, "--to", layout.host_ip("B", "repl"))
    assert not reply["ok"], reply
    for word in words:
        assert word in reply["error"] + reply["hint"], (word, reply)


def untouched(scene):
    """Nobody protects the guest, and it serves."""
    p = scene.protection
    assert p.status("A") is None and scene.domains("A") == ["guest"]
    until("the guest answers", p.reachable)


def write(p, host, path, text, mode=644):
    p.must_run(host, f"printf %s {shlex.quote(text)} >{path}; chmod {mode} {path}")


def create_paused(p, host, name, **settings):
    words = " ".join(f"{key}={value}" for key, value in settings.items())
    p.must_run(host, f"lab-guest config=only name={name} {words}; xl create -p /etc/xen/{name}.cfg")


def add_disk(p, access):
    """A read-only or writable one, from a file that both hosts have."""
    for host in ("A", "B"):
        write(p, host, "/etc/xen/scripts/block-lab", BLOCK_SCRIPT, 755)
        p.must_run(host, f"[ -e {DISK} ] || {{ head -c 1M /dev/zero >{DISK}; losetup /dev/loop0 {DISK}; }}")
    p.must_run("A", f"xl block-attach guest format=raw,vdev=xvdz,access={access},script=block-lab,target=/dev/loop0")


def by_what_the_guest_is(scene):
    p = scene.ready()
    refused(p, "no VM", vm="nobody")
    add_disk(p, "rw")
    refused(p, "writable disk")
    p.must_run("A", "xl block-detach guest xvdz")
    p.must_run("A", "xl pause guest")
    refused(p, "paused", "unpause")
    p.must_run("A", "xl unpause guest")
    # No passed-through device is to be had here: what libxl would note of one is noted.
    note = "/libxl/$(xl domid guest)/device/pci"
    p.must_run("A", f"xenstore-write {note}/0/backend /none")
    refused(p, "PCI device")
    p.must_run("A", f"xenstore-rm {note}")
    untouched(scene)
    scene.check_memory()


def at_the_hands_of_others(scene):
    """Nothing of what they do is disturbed; then it is protected, by UUID."""
    p = scene.ready()
    scene.bring("A", "logdirty")
    p.must_run("A", f"xl mem-set guest {GUEST_MB - 2}")
    refused(p, "balloon", "maxmem")
    p.must_run("A", f"xl mem-set guest {GUEST_MB}")
    p.must_run("A", "xl network-attach guest bridge=xenbr0 script=vif-lab")
    refused(p, "several network interfaces")
    p.must_run("A", "xl network-detach guest 1")
    p.must_run("A", "logdirty on $(xl domid guest)")
    refused(p, "dirty log", "xl migrate")
    assert not p.events("A", "connected"), "the backup was asked"
    p.must_run("A", "logdirty off $(xl domid guest)")  # fails when it is off already
    refused_while_saved(p)
    untouched(scene)
    scene.check_memory()
    reply = p.ctl("A", "protect", UUID, "--to", layout.host_ip("B", "repl"))
    assert reply["ok"], reply
    p.wait("A", is_protected)


def refused_while_saved(p):
    """xl save has suspended it, and waits for whoever reads what it writes."""
    p.must_run("A", f"mkfifo {SAVED}; (until [ -e {SAVED}.on ]; do sleep 1; done; cat >/dev/null) <{SAVED} & "
                    f"(xl save -c guest {SAVED} && touch {SAVED}.done) >{SAVED}.log 2>&1 &")
    until("it is suspended", lambda: "--s" in p.must_run("A", "xl list guest | tail -n 1"))
    refused(p, "suspended", "xl save")
    p.must_run("A", f"touch {SAVED}.on")
    until("it is saved", lambda: p.lab.run("A", f"test -e {SAVED}.done")[0] == 0)


def refused_while_migrated(scene):
    """Nor is xl disturbed: the guest is moved, and all of its memory with it."""
    p = scene.ready()
    talk = scene.talk()
    migration.begin(p.lab, "A", "B")
    refused(p, "dirty log", "xl migrate")
    migration.finish(p.lab, "A")
    assert scene.domains("A") == []
    scene.runs_at("B")
    talk.more()
    talk.finish()
    scene.check_memory()


def without_rights(scene):
    """Each daemon says at its start which right it lacks, and as whom to run it."""
    p = scene.ready()
    p.must_run("A", f"echo {NOBODY} >>/etc/passwd")
    for daemon in DAEMONS:
        lines = [f"{key} = {NOBODYS}/{name}" for key, name in (("state_dir", "state"), ("control_socket", "ctl"))]
        conf = "".join(f"{line}\n" for line in ["backend = xen", *lines])
        start = f"mkdir -p {NOBODYS}/state; printf %s {shlex.quote(conf)} >{NOBODYS}/conf"
        start += f" && exec {PROGRAM_DIR}/{daemon} -c {NOBODYS}/conf"
        status, said = p.lab.run("A", f"su -s /bin/sh nobody -c {shlex.quote(start)}")
        assert status == 1 and "no right to use Xen's interfaces" in said and "run as root" in said, (status, said)
    untouched(scene)


def hvm_guest(scene):
    """Looked at while xl waits for its device model, which never says anything."""
    p = scene.ready()
    write(p, "A", "/etc/xen/sleeper", f"#!/bin/sh\nexec sleep {HVM_WAIT_S}\n", 755)
    write(p, "A", "/etc/xen/other.cfg", HVM_GUEST)
    p.must_run("A", "xl create -p /etc/xen/other.cfg >/dev/null 2>&1 &")
    until("there is an HVM guest", lambda: "other" in scene.domains("A"))
    refused(p, "HVM", "PVH", vm="other")
    p.must_run("A", "killall -q sleep; true")
    until("it is gone", lambda: scene.domains("A") == ["guest"])
    untouched(scene)


def by_the_backup(scene):
    """The UUID is in use there; then there is no memory for it; then all is well."""
    p = scene.ready()
    create_paused(p, "B", "twin")
    refused(p, "UUID", "xl list")
    p.must_run("B", "xl destroy twin")
    free = int(p.must_run("B", "xl info free_memory"))
    create_paused(p, "B", "filler", uuid=OTHER_UUID, memory=free - SPARE_MB)
    refused(p, "MiB free", "dom0_mem")
    untouched(scene)
    assert scene.domains("B") == ["filler"]
    p.must_run("B", "xl destroy filler")
    p.protect()
    scene.check_memory()


def with_a_read_only_disk(scene):
    """It is there after the failover."""
    p = scene.ready()
    add_disk(p, "ro")
    p.protect()
    reply = p.ctl("A", "failover", "guest")
    assert reply["ok"], reply
    scene.runs_at("B")
    assert len(p.must_run("B", "xl block-list guest").splitlines()) == 2
    until("the guest answers", p.reachable)
    scene.check_memory()


def given_a_writable_disk(scene):
    """Epochs go on, but it does not count as protected while it has it."""
    p = scene.protected()
    add_disk(p, "rw")
    told = p.wait("A", lambda s: s and "device" in [d["cause"] for d in s["degraded"]])
    assert not told["protected"] and told["state"] == "unprotected", told
    until("epochs go on", lambda: p.status("B")["epoch"] > told["epoch"] + 2)
    p.must_run("A", "xl block-detach guest xvdz")
    p.wait("A", is_protected)


def renamed(scene):
    """Protection follows the UUID; the guest is known by its old name, and gets that at the backup."""
    p = scene.protected()
    p.must_run("A", "xl rename guest newname")
    until("epochs go on", lambda s=p.status("B")["epoch"]: p.status("B")["epoch"] > s + 2)
    p.wait("A", is_protected)
    assert not p.ctl("A", "unprotect", "newname")["ok"]
    reply = p.ctl("A", "failover", "guest")
    assert reply["ok"], reply
    assert scene.domains("A") == []
    scene.runs_at("B")
    until("the guest answers", p.reachable)


def rebooted(scene):
    """It comes up again where it is, unprotected, and is resumed nowhere."""
    p = scene.protected()
    p.must_run("A", "xl reboot guest")
    p.wait("A", lambda status: status is None)
    until("the replica is gone", lambda: not scene.domains("B"))
    assert not p.events("B", "takeover"), p.events("B")
    until("the guest answers", p.reachable)
    untouched(scene)


TESTS = [("refused for what it is: writable disk, paused, PCI device; unknown", by_what_the_guest_is),
         ("refused: room to balloon, two interfaces, dirty log on, being saved; protected by UUID",
          at_the_hands_of_others),
         ("refused: an HVM guest", hvm_guest),
         ("daemons without the right to use Xen say so", without_rights),
         ("refused by the backup: UUID in use, no memory", by_the_backup),
         ("a read-only disk comes along", with_a_read_only_disk),
         ("a writable disk that comes while it is protected", given_a_writable_disk),
         ("rebooted while protected: comes up unprotected", rebooted)]
MISHAPS = [("refused: under xl migrate, which is completed", refused_while_migrated),
           ("renamed while protected: protection and old name stay", renamed)]
