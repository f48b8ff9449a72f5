# SPDX-License-Identifier: GPL-2.0-or-later
"""remusctl export: the sealed epoch as a file that Xen's own tools take, while protection goes on."""

import os
import subprocess
import sys

from lablib import transfer
from lablib.fixture import until
from lablib.protect import RUN_DIR, is_protected

FILE = f"{RUN_DIR}/guest.xl"
EXPORT_S, RESTORE_S, VERIFY_S = 150, 150, 60


def verify(scene, path):
    """Xen's own check of the file; True: accepted."""
    xen = f"{scene.lab.machine('B').build.root.path}/usr/lib/xen-4.17"
    done = subprocess.run([sys.executable, f"{xen}/bin/verify-stream-v2", "-f", "xl", "-i", path],
                          env=dict(os.environ, PYTHONPATH=f"{xen}/lib/python"), timeout=VERIFY_S, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def files(p):
    return [name for name in p.must_run("B", f"ls {RUN_DIR}").split() if name.startswith("guest.xl")]


def boots_elsewhere(scene):
    """Exported while clients are served; the original is ended, and the file boots with its memory sound."""
    p = scene.protected()
    talk = scene.talk()
    p.must_run("B", f"remusctl export guest {FILE}", EXPORT_S)
    p.wait("A", is_protected)
    talk.more()
    talk.finish()
    exported = p.events("B", "exported")[-1]["text"]
    assert p.status("B")["epoch"] > int(exported.split()[1]), exported
    transfer.get(scene.lab, "B", [FILE], scene.directory)
    verify(scene, scene.directory / "guest.xl")
    p.unprotect()
    p.must_run("A", "xl destroy guest")
    p.must_run("B", f"xl restore {FILE}", RESTORE_S)
    until("the restored guest answers", p.reachable)
    scene.check_memory()
    scene.runs_at("B")


def leaves_nothing_half_done(scene):
    """Given up, refused: a file that was there stays, one that was begun goes, the guest is protected."""
    p = scene.protected()
    status, text = scene.lab.run("B", f"remusctl --timeout 0 export guest {FILE} & sleep 1; kill $!; wait $!")
    assert status != 0, text
    until("the asker is missed", lambda: p.events("B", "export-failed"))
    until("what was begun is gone", lambda: not files(p))
    p.must_run("B", f"echo mine >{FILE}")
    reply = p.ctl("B", "export", "guest", FILE)
    assert not reply["ok"] and "exists already" in reply["error"], reply
    assert files(p) == ["guest.xl"] and p.must_run("B", f"cat {FILE}").strip() == "mine"
    p.wait("A", is_protected)
    assert scene.domains("A") == ["guest"]


def ends_with_a_takeover(scene):
    """The guest is not kept waiting for its own copy."""
    p = scene.protected()
    p.must_run("B", f"remusctl --timeout 0 export guest {FILE} >/dev/null 2>&1 & sleep 1")
    reply = p.ctl("A", "failover", "guest")
    assert reply["ok"], reply
    scene.runs_at("B")
    assert "resumed here" in p.events("B", "export-failed")[-1]["text"]
    until("what was begun is gone", lambda: not files(p))
    reply = p.ctl("B", "export", "guest", FILE)
    assert reply["code"] == "refused" and "runs here" in reply["error"], reply
    until("the guest answers", p.reachable)
    scene.check_memory()


TESTS = [("export: verified by Xen's tool, and xl restore boots it", boots_elsewhere),
         ("export: a takeover does not wait for it", ends_with_a_takeover)]
MISHAPS = [("export: given up or refused, nothing is left", leaves_nothing_half_done)]
