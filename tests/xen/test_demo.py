#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# on-request
# run-alone
# time-limit-s: 1500
"""The demonstration as its users run it: what it shows, that it fails when there is nothing to show, and that
it leaves nothing behind. tests/process/test_demo_parts.py has its parts."""

import json
import os
import re
import shlex
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
from lablib.layout import SOURCES  # noqa: E402
from lablib.protect import default_build  # noqa: E402

LIMIT_S = 600           # of one run; a machine may be busy
PROTECTED_S = 3
MAKE_FAILED = 2
LIVE = re.compile(r"\| epoch (\d+), [\d.]+/s \| pause \d+ ms")


class Demo:
    """One run in a directory of its own."""

    def __init__(self, directory):
        self.directory, self.plot = Path(directory), Path(directory) / "demo.svg"
        os.environ["REMUS_LAB_DIR"] = str(self.directory / "lab")
        arguments = ["--json", "--out", str(self.plot), "--limit", str(LIMIT_S), "--seconds", str(PROTECTED_S)]
        argv = ["make", "demo", f"BUILD={default_build()}", f"DEMO_ARGS={shlex.join(arguments)}"]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        cwd=SOURCES.parent.parent, start_new_session=True)
        self.timer = threading.Timer(LIMIT_S + 60, self.signal, [signal.SIGKILL])
        self.timer.start()
        self.said = []

    def until_said(self, words):
        for line in self.process.stderr:
            self.said.append(line)
            if words in line:
                return
        raise AssertionError(f"it never said {words!r}: {''.join(self.said)}")

    def signal(self, number):
        """To all that `make` has started, as a terminal does."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def end(self):
        """(exit status, the figures or None)"""
        with self.process:
            self.said.append(self.process.stderr.read())
            figures = [line for line in self.process.stdout if line.startswith("{")]  # what make says is there as well
        self.timer.cancel()
        assert len(figures) <= 1, figures
        return self.process.returncode, json.loads(figures[0]) if figures else None

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
            demo.signal(signal.SIGKILL)
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
    check_live_status(demo.text())
    words = [node.text or "" for node in xml.etree.ElementTree.parse(demo.plot).getroot().iter()]
    assert any(f"first byte {times['first_byte_ms']:+.0f} ms" in text for text in words), words
    print(f"# make demo took {figures['took_s']} s: {times}", flush=True)


def check_live_status(text):
    """It was shown before the kill, and more than once: epochs went by."""
    shown = text[text.index("remusctl status: "):text.index("SIGKILL for host A")]
    epochs = [int(number) for number in LIVE.findall(shown)]
    assert len(epochs) >= 2 and epochs[0] < epochs[-1], shown


def it_fails_without_a_backup(demo):
    demo.until_said("A TCP session")
    Laboratory().kill("B")
    status, figures = demo.end()
    assert status == MAKE_FAILED and figures is None, (status, demo.text())
    assert "FAILED: " in demo.text() and "outlived" not in demo.text(), demo.text()
    assert not demo.plot.exists()


def an_interrupt_leaves_nothing(demo):
    demo.until_said("A Linux VM on A")
    demo.signal(signal.SIGINT)
    status, figures = demo.end()
    assert status == -signal.SIGINT and figures is None, (status, demo.text())
    assert "interrupted" in demo.text(), demo.text()


TESTS = [("a VM outlives its host", with_demo(a_vm_outlives_its_host)),
         ("without a backup it fails and says so", with_demo(it_fails_without_a_backup)),
         ("an interrupt leaves nothing behind", with_demo(an_interrupt_leaves_nothing))]

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may have it ignored
    sys.exit(tap.run(TESTS))
