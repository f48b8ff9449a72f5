#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# on-request
# run-alone
# time-limit-s: 1500
"""The demonstration as its users run it: what it shows, that it fails when there is nothing to show, and that
it leaves nothing behind. tests/process/test_demo_parts.py has its parts."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

import tap  # noqa: E402
from lablib import fixture  # noqa: E402
from lablib.laboratory import Laboratory  # noqa: E402

LIMIT_S = 600           # of one run; a machine may be busy
PROTECTED_S = 3
INTERRUPTED, FAILED = 130, 1


class Demo:
    """One run in a directory of its own."""

    def __init__(self, directory, *options):
        self.directory, self.plot = Path(directory), Path(directory) / "demo.svg"
        os.environ["REMUS_LAB_DIR"] = str(self.directory / "lab")
        argv = [sys.executable, HERE / "demo.py", "--json", "--out", self.plot, "--limit", str(LIMIT_S),
                "--seconds", str(PROTECTED_S), *options]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.timer = threading.Timer(LIMIT_S + 60, self.process.kill)
        self.timer.start()
        self.said = []

    def until_said(self, words):
        for line in self.process.stderr:
            self.said.append(line)
            if words in line:
                return
        raise AssertionError(f"it never said {words!r}: {''.join(self.said)}")

    def end(self):
        """(exit status, the figures or None)"""
        with self.process:
            self.said.append(self.process.stderr.read())
            out = self.process.stdout.read()  # a line at the very end
        self.timer.cancel()
        return self.process.returncode, json.loads(out) if out else None

    def text(self):
        return "".join(self.said)

    def remains(self):
        """Processes that name the laboratory's directory."""
        marker, found = str(self.directory / "lab").encode(), []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found += [path.parent.name] if marker in path.read_bytes() else []
            except OSError:
                continue
        return found


def with_demo(check):
    """The test function: skipped where there can be no laboratory."""
    def test():
        reason = fixture.obstacle()
        if reason:
            raise tap.SkipTest(reason)
        directory = tempfile.mkdtemp(prefix="demo-")
        demo = Demo(directory)
        try:
            check(demo)
            assert not demo.remains(), f"left behind: {demo.remains()}"
        finally:
            demo.process.kill()
            demo.timer.cancel()
            Laboratory().down()
            shutil.rmtree(directory, ignore_errors=True)
    return test


def a_vm_outlives_its_host(demo):
    status, figures = demo.end()
    assert status == 0, demo.text()
    times = figures["timeline"]
    slack = 2 * times["precision_ms"]
    assert 0 < times["detected_ms"] <= times["activated_ms"] + slack, times
    assert times["detected_ms"] - slack < times["first_byte_ms"] and figures["silence_ms"] > 0, figures
    assert figures["records_sent"] == figures["records_answered"] > 0
    assert figures["memory"]["errors"] == 0 and figures["memory"]["writes"] > 0
    for word in ("killed", "detected", "activated", "first byte", "none lost, none repeated"):
        assert word in demo.text(), (word, demo.text())
    words = [node.text or "" for node in xml.etree.ElementTree.parse(demo.plot).getroot().iter()]
    assert any(f"first byte {times['first_byte_ms']:+.0f} ms" in text for text in words), words


def it_fails_without_a_backup(demo):
    demo.until_said("A TCP session")
    Laboratory().kill("B")
    status, figures = demo.end()
    assert status == FAILED and figures is None, (status, demo.text())
    assert "FAILED: " in demo.text() and "outlived" not in demo.text(), demo.text()
    assert not demo.plot.exists()


def an_interrupt_leaves_nothing(demo):
    demo.until_said("A Linux VM on A")
    demo.process.send_signal(signal.SIGINT)
    status, figures = demo.end()
    assert status == INTERRUPTED and figures is None, (status, demo.text())


TESTS = [("a VM outlives its host", with_demo(a_vm_outlives_its_host)),
         ("without a backup it fails and says so", with_demo(it_fails_without_a_backup)),
         ("an interrupt leaves nothing behind", with_demo(an_interrupt_leaves_nothing))]

if __name__ == "__main__":
    sys.exit(tap.run(TESTS))
