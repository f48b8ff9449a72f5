# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user does to a protected guest, with our tools and with xl, or its kernel to itself (docs/xen.md says
what to expect)."""

from lablib.fixture import until
from lablib.migration import migrate
from lablib.protect import is_protected

MIGRATE_LIMIT_S = 600
SAVE_LIMIT_S = 200  # without Xen's word that it has suspended, xl save would fail after 60 s
ON_ITS_OWN = "(sleep 1; exec busybox {} -f) &"  # its answer comes first


def again_and_again(scene):
    """Off and on, the guest's clients do not notice; meanwhile it can be saved."""
    p = scene.protected()
    talk = scene.talk()
    for hold in ("primary", "backup"):
        p.unprotect()
        assert p.status("A") is None and scene.domains("B") == []
        p.must_run("A", "xl save -c guest /tmp/saved && rm /tmp/saved", SAVE_LIMIT_S)
        talk.more()
        p.protect(hold=hold)
        talk.more()
    assert scene.domains("A") == ["guest"]
    talk.finish()
    scene.check_memory()


def migrated(scene):
    """xl takes the dirty log over and is let finish: one copy runs, where it was sent, and no other comes."""
    p = scene.protected()
    talk = scene.talk()
    migrate(p.lab, "A", "B", MIGRATE_LIMIT_S)
    until("the guest is gone from A", lambda: not scene.domains("A"))
    scene.runs_at("B")
    talk.more()
    talk.finish()
    scene.check_memory()
    assert not p.events("B", "takeover") and not is_protected(p.status("A")), (p.events("B"), p.status("A"))


def destroyed(scene):
    """Counts as a death: it is resumed at the backup, and no lease is waited for."""
    p = scene.protected()
    talk = scene.talk()
    p.must_run("A", "xl destroy guest")
    scene.check_took_over(talk)
    assert scene.domains("A") == []


def shut_down(scene):
    """It is off, as was asked for, and stays so."""
    p = scene.patient()
    p.protect()
    p.must_run("A", "xl shutdown guest")
    until("the guest is off at A", lambda: not scene.domains("A"))
    until("the replica is gone", lambda: not scene.domains("B"))
    p.wait("A", lambda status: status is None)
    p.wait("B", lambda status: status is None or not status["protected"])
    assert not p.events("B", "takeover"), p.events("B")


def paused(scene):
    """It stands still, says that it cannot be captured, is not failed over, and goes on."""
    p = scene.patient()
    p.protect()
    talk = scene.talk()
    p.must_run("A", "xl pause guest")
    until("A says so", lambda: p.events("A", "capture"))
    assert not is_protected(p.status("A"))
    assert scene.domains("A") == ["guest"] and not p.events("B", "takeover")
    p.must_run("A", "xl unpause guest")
    p.wait("A", is_protected)
    talk.more()
    talk.finish()
    scene.check_memory()


def allow_crash(scene):
    assert scene.lab.run_guest("echo 1 >/proc/sys/kernel/sysrq")[0] == 0


def crash(scene):
    """Its kernel panics, which the copy at the backup has no cause to."""
    scene.protection.must_run("A", "xl sysrq guest c")


def crashed(scene):
    """Counts as a death, too."""
    p = scene.ready()
    allow_crash(scene)
    p.protect()
    talk = scene.talk()
    crash(scene)
    scene.check_took_over(talk)
    assert scene.domains("A") == [] and p.events("A", "vm-crashed"), p.events("A")


def crashed_and_started_anew(scene):
    """xl does that at once: another copy at the backup would be one too many."""
    p = scene.ready()
    p.must_run("A", "xl destroy guest; sed -i '/on_crash/s/destroy/restart/' /etc/xen/guest.cfg; "
                    "xl create /etc/xen/guest.cfg")
    until("the guest answers", p.reachable)
    allow_crash(scene)
    p.protect()
    crash(scene)
    p.wait("A", lambda status: status is None)
    until("the replica is gone", lambda: not scene.domains("B"))
    until("the guest answers", p.reachable)
    assert scene.domains("A") == ["guest"] and not p.events("B", "takeover"), p.events("B")


def kept_after_a_failover(scene):
    """As xl would have kept it: it reboots, and switches itself off."""
    p = scene.protected()
    reply = p.ctl("A", "failover", "guest")
    assert reply["ok"], reply
    scene.runs_at("B")
    before = scene.domid("B")
    assert scene.lab.run_guest(ON_ITS_OWN.format("reboot"))[0] == 0
    until("another domain is there", lambda: scene.domid("B") not in (None, before))
    until("the guest answers", p.reachable)
    scene.runs_at("B")
    scene.check_memory()
    assert scene.lab.run_guest(ON_ITS_OWN.format("poweroff"))[0] == 0
    until("the guest is off", lambda: scene.domains("B") == [])
    p.wait("B", lambda status: status and "vm-gone" in [d["cause"] for d in status["degraded"]])


TESTS = [("protect, unprotect and protect again", again_and_again),
         ("xl migrate: it is moved, and protected no more", migrated),
         ("xl destroy: resumed at the backup", destroyed),
         ("xl shutdown: off, and not resumed anywhere", shut_down),
         ("xl pause: stands still, and is protected again when it goes on", paused)]
MISHAPS = [("its kernel panics: resumed at the backup", crashed),
           ("its kernel panics, on_crash=restart: started anew where it was, and not resumed anywhere",
            crashed_and_started_anew),
           ("after a failover it reboots at the backup, and is gone when it has switched itself off",
            kept_after_a_failover)]
