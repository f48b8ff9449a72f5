# SPDX-License-Identifier: GPL-2.0-or-later
"""remusd dies with all of its processes while the driver holds the guest suspended, and does not return: the guest
stays as it is, until somebody resumes it.
"""

import re

from cases.suspend import UNLOAD, check_log, guest, struck_while_suspended, works_at_backup
from lablib import dom0_python
from lablib.fixture import until
from lablib.layout import SOURCES

HELD_MS = 600_000  # the process dies long before
SAVE_LIMIT_S = 200
DOC = SOURCES.parent.parent / "docs/xen.md"


def is_suspended(p):
    """xl's letters: r b p s c d."""
    return "s" in p.must_run("A", "xl list guest | tail -n 1").split()[4]


def left_suspended(scene, also=lambda: None):
    """`also`: what else happens just before remusd dies. Returns the clients' conversation."""
    talk = struck_while_suspended(scene, f"sleep-ms={HELD_MS}")
    p = scene.protection
    also()
    p.kill_all("remusd")
    assert is_suspended(p)
    return talk


def taken_over(scene):
    """The backup takes it for a death; what was left is destroyed when remusd is there again."""
    talk, p = left_suspended(scene), scene.protection
    scene.check_took_over(talk)
    assert is_suspended(p), "somebody has resumed what was left"
    p.start_daemon("remusd")
    until("what was left is destroyed", lambda: scene.domains("A") == [])
    scene.check_memory()
    scene.runs_at("B")
    works_at_backup(scene)


def by_hand(scene):
    """The commands of docs/xen.md, in the order in which they stand there."""
    def power_cut():
        assert scene.lab.kill("B")

    talk, p = left_suspended(scene, also=power_cut), scene.protection
    dom0_python.put(scene.lab, "A")
    domid = p.must_run("A", "xl domid guest").strip()
    commands = re.findall(r"^python3 -c .*$", DOC.read_text(), re.MULTILINE)
    assert len(commands) == 2, commands
    for command in commands:
        p.must_run("A", command.replace("DOMID", domid))
    assert not is_suspended(p)
    p.must_run("A", f"ip link set vif{domid}.0 master xenbr0")
    talk.more()
    talk.finish()
    scene.check_memory()
    guest(scene, UNLOAD)
    p.must_run("A", "xl save -c guest /run/guest.save", SAVE_LIMIT_S)
    scene.check_memory()
    check_log(scene)


TESTS = [("remusd is killed for good while the driver holds the guest suspended: B takes over", taken_over),
         ("the same without B: the guest stays suspended, the commands of docs/xen.md resume it", by_hand)]
