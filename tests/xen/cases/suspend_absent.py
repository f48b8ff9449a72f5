# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that was to load the driver when it booted and could not: it runs on, is protected with its kernel's help,
and outlives its host.
"""

import shutil

from cases.suspend import CALM_MS, LOAD, NODE, guest, stopped_by
from lablib import engine_log, guest_driver
from lablib.archive import Archive

SYMBOL, MISSED = "HYPERVISOR_shared_info", "HYPERVISOR_shared_infos"
USED_IN = ("kernel.h", "revive.c", "cut.c")
HAS_NAMES = "IS_ENABLED(CONFIG_KALLSYMS_ALL)"
LOCKDOWN = "mount -t securityfs security /sys/kernel/security && cat /sys/kernel/security/lockdown"
OVERLAY = "overlay.cpio.gz"


def log(scene, words):
    return [line for line in guest(scene, "dmesg").splitlines() if words in line]


def protected_without(scene):
    p = scene.protection
    assert not guest(scene, "grep ^remus_suspend /proc/modules || :")
    assert p.must_run("A", f"xenstore-read {NODE}").strip() == ""
    p.protect(CALM_MS, suspend="auto")
    talk = scene.talk()
    stopped_by(scene, "cooperative", "no driver")
    assert engine_log.count(p, "no driver") == engine_log.count(p, "no driver", "info") == 1
    engine_log.check(p)
    scene.kill_primary()
    scene.check_took_over(talk)


def overlay(scene, changes):
    """For lab-guest: a driver made of changed sources."""
    root, place = scene.need().machine("A").build.root, scene.directory / "driver"
    shutil.rmtree(place, ignore_errors=True)
    driver = guest_driver.build(root.path, root.kernel_version(), place,
                                changes)
    archive = Archive()
    archive.file(f"lib/modules/{root.kernel_version()}/updates/{driver.name}", driver)
    archive.write(scene.directory / OVERLAY)
    return scene.directory / OVERLAY


def refuses(scene, changes, last_words):
    scene.ready([overlay(scene, changes)], driver=1, overlay=f"/tmp/{OVERLAY}")
    lines = log(scene, "remus_suspend: not loaded")
    # For each attempt; modprobe makes two. The time stands before the text.
    assert len(lines) == 2 and all(line.endswith(last_words) for line in lines), lines
    protected_without(scene)


def misses_a_symbol(scene):
    """It looks for something that no kernel has."""
    refuses(scene, {name: [(SYMBOL, MISSED)] for name in USED_IN}, f" {MISSED}")


def finds_no_names(scene):
    """As it is compiled for a kernel without them."""
    refuses(scene, {"kernel.c": [(HAS_NAMES, "0")]}, "CONFIG_KALLSYMS_ALL)")


def locked_down(scene):
    """The driver is not signed; at boot the kernel may swallow its line, for it limits such lines."""
    scene.ready(driver=1, append="lockdown=confidentiality")
    assert "[confidentiality]" in guest(scene, LOCKDOWN), "it is not locked down"
    assert "refused" in guest(scene, f"{LOAD} && echo loaded || echo refused")
    assert log(scene, "unsigned module loading is restricted")
    protected_without(scene)


TESTS = [("a driver that misses a symbol names it, is not loaded, the guest is protected without it", misses_a_symbol),
         ("a driver for a kernel without names of its data says so, is not loaded, the guest is protected without it",
          finds_no_names),
         ("lockdown: an unsigned driver is refused, the guest is protected without it", locked_down)]
