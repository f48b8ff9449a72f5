# SPDX-License-Identifier: GPL-2.0-or-later
"""A backup whose CPU cannot do what the guest was told of, and the way that remusctl's hint shows."""

from cases.bad_input import refused, untouched
from lablib.protect import GUEST_LIMIT_S, HOTPLUG

FEATURE = "aes"


def at_a_lesser_backup(scene):
    p = scene.ready()
    scene.lab.replace("B", lacking=[FEATURE])
    p.install(["B"])
    p.configure("backupd")
    p.start_daemon("backupd")
    refused(p, "the CPU here lacks", "CPUID 0x1.0, ecx", "cpuid=")
    untouched(scene)
    p.must_run("A", f"xl destroy guest; lab-guest config=only script={HOTPLUG}; "
                    f"echo 'cpuid = \"host,{FEATURE}=0\"' >>/etc/xen/guest.cfg; xl create /etc/xen/guest.cfg")
    p.until("the guest answers", p.reachable, GUEST_LIMIT_S)
    p.protect()
    talk = scene.talk()
    scene.kill_primary()
    scene.check_took_over(talk)


TESTS = [("refused by a backup of a lesser CPU; with cpuid= as the hint says it outlives its host", at_a_lesser_backup)]
