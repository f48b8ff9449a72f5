# SPDX-License-Identifier: GPL-2.0-or-later
"""The laboratory's command, as people type it."""

import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from lablib import cache
from lablib.fixture import PATIENCE_S
from lablib.layout import HOSTS, SOURCES, LabError
from lablib.network import without_network

COMMAND = SOURCES / "lab"
FAILED, TIMED_OUT, KILLED = 125, 124, 137
LASTING = f"sleep {1_000_000 + os.getpid()}"    # of this test and no other


def lab(*words, within=(), limit_s=PATIENCE_S, given=None):
    """(exit status, standard output, standard error); `given` is its standard input."""
    done = subprocess.run([*within, COMMAND, *words], input=given or "", capture_output=True, text=True,
                          timeout=limit_s, check=False)
    return done.returncode, done.stdout, done.stderr


def runs_commands(_):
    for place in ("A", "client"):
        assert lab("run", place, "echo out; exit 7")[:2] == (7, "out\n")
        assert lab("run", place, "kill -9 $$")[0] == KILLED
        assert lab("run", "--stdin", place, "cat", given="in")[:2] == (0, "in")
        assert lab("run", place, "cat", given="in")[:2] == (0, "")
    for place in ("B", "client"):
        status, _, said = lab("run", "--timeout", "1", place, f"{LASTING}; true")
        assert status == TIMED_OUT and "1 s" in said, (status, said)
    assert not runs_here(LASTING), "time was up, and it goes on"
    for wrong in (["kill", "C"], ["cut", "side"], ["restore", "never-made"]):
        status, _, said = lab(*wrong)
        assert status == FAILED and said.startswith("lab: no "), (wrong, status, said)


def runs_here(command):
    """Whether a process of the outer machine has that command line."""
    words = command.replace(" ", "\0").encode() + b"\0"
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == words:
                return True
        except OSError:
            continue
    return False


def tells_what_runs(running):
    status, said, _ = lab("status")
    assert status == 0 and all(f"{host}: running, " in said for host in HOSTS), said
    assert lab("cut", "repl:A")[0] == lab("heal", "repl:A")[0] == 0
    assert running.machine("A").alive()


def read_until(stream, text):
    """What comes from a pipe, until `text` is in it."""
    deadline, seen = time.monotonic() + PATIENCE_S, b""
    while text not in seen:
        left = deadline - time.monotonic()
        assert left > 0 and select.select([stream], [], [], left)[0], seen
        data = os.read(stream.fileno(), 4096)
        assert data, seen
        seen += data
    return seen


def shows_the_console(_):
    with subprocess.Popen([COMMAND, "console", "B"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b"\necho con''sole-$((6 * 7))\n")
        process.stdin.flush()
        read_until(process.stdout, b"console-42")
        process.stdin.write(b"\x1d")
        process.stdin.flush()
        assert process.wait(PATIENCE_S) == 0


def builds_without_a_network(_):
    """From the cache, which is filled by now."""
    status, place, said = lab("build", within=without_network(), limit_s=cache.LIMIT_S + PATIENCE_S)
    assert status == 0 and os.path.isdir(place.strip()), (status, said)


def does_not_wait_without_end(_):
    with cache.held():
        try:
            with cache.held(limit_s=0.3):
                assert False, "two laboratories at work in the cache"
        except LabError as error:
            assert "another laboratory" in str(error), error


def lives_without_a_network(_):
    """A laboratory of its own, from the snapshot that the first one left."""
    before, directory = os.environ["REMUS_LAB_DIR"], tempfile.mkdtemp(prefix="lab-")
    os.environ["REMUS_LAB_DIR"] = directory
    try:
        status, _, said = lab("up", "--owner", str(os.getpid()), within=without_network())
        assert status == 0 and "from snapshot booted" in said and "booting" not in said, (status, said)
        assert lab("run", "A", "hostname")[:2] == (0, "A\n")
        assert lab("kill", "A") == (0, "", "")
        assert "A: off\nB: running, " in lab("status")[1], lab("status")
        status, _, said = lab("kill", "A")
        assert status == FAILED and "off already" in said, (status, said)
        assert lab("run", "A", "true")[0] == FAILED
        assert lab("run", "B", "hostname")[:2] == (0, "B\n")
        assert lab("down") == (0, "", "lab: down\n")
        assert lab("down") == (0, "", "lab: nothing was running\n")
    finally:
        lab("down")
        os.environ["REMUS_LAB_DIR"] = before
        shutil.rmtree(directory, ignore_errors=True)


TESTS = [("the command runs commands, and says what is wrong", runs_commands),
         ("the command tells what runs", tells_what_runs),
         ("a host's console answers", shows_the_console),
         ("with the cache filled no network is needed", builds_without_a_network),
         ("the wait for the cache has an end", does_not_wait_without_end)]
ALONE = [("typed: up without a network, kill, down", lives_without_a_network)]
