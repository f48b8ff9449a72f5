#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# run-alone
"""The laboratory itself: two Xen hosts boot, a guest on one of them answers from outside, faults are
what they claim to be, and nothing is left behind.

It downloads Debian packages the first time, and is skipped without them or without the right to make a
network namespace.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

import tap  # noqa: E402
from cases import lab_command  # noqa: E402
from lablib import network, transfer  # noqa: E402
from lablib.fixture import PATIENCE_S, Fixture, until  # noqa: E402
from lablib.layout import (ECHO_PORT, GUEST_IP, GUEST_IP6, NUMBERED_PORT, PATTERN_PORT,  # noqa: E402
                           LabError, host_ip)
from lablib.protect import default_build  # noqa: E402

REPLY_S = 20
LINES = 50
FIXTURE = Fixture()


def ping(address):
    command = ["busybox", "ping", "-c", "1", "-W", "2", address]
    with FIXTURE.need().client(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        return process.wait(REPLY_S) == 0


def connect(address, port, kind=socket.SOCK_STREAM):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = FIXTURE.need().socket(family, kind)
    sock.settimeout(REPLY_S)
    sock.connect((address, port))
    return sock


def must_run(host, command):
    status, text = FIXTURE.need().run(host, command, limit_s=PATIENCE_S)
    assert status == 0, f"{host}: {command}: {status}: {text}"
    return text


def hosts_run_xen():
    FIXTURE.need()
    for host in ("A", "B"):
        assert "Domain-0" in must_run(host, "xl list")
        assert re.search(r"virt_caps.*\bhap\b", must_run(host, "xl info")), "no nested paging"


def commands_come_back_whole():
    lab = FIXTURE.need()
    status, text = lab.run("A", "echo out; echo err >&2; exit 7")
    assert status == 7 and sorted(text.split()) == ["err", "out"], (status, text)
    assert lab.run("B", "kill -9 $$")[0] == 137
    assert lab.run("A", "sleep 1000 & echo started") == (0, "started\n")
    try:
        lab.run("A", "sleep 2000", limit_s=2)
        assert False, "no limit was kept"
    except LabError as error:
        assert "ended after 2 s" in str(error), error
    until("the command is ended with its connection",
          lambda: "sleep 2000" not in lab.run("A", "ps | grep -v grep")[1])


def files_arrive_unchanged():
    lab, data = FIXTURE.need(), os.urandom(3 << 20)
    sent, back = FIXTURE.directory / "data", FIXTURE.directory / "back"
    sent.write_bytes(data)
    back.mkdir()
    transfer.put(lab, "A", [sent], "/opt/test")
    transfer.get(lab, "A", ["/opt/test/data"], back)
    assert (back / "data").read_bytes() == data


def programs_bring_their_libraries():
    program = shutil.which("openssl") or shutil.which("git")
    if not program:
        raise tap.SkipTest("no dynamically linked program at hand")
    transfer.put(FIXTURE.need(), "B", [program], "/opt/test", with_libraries=True)
    must_run("B", f"/opt/test/{Path(program).name} version")


def cpus_keep_flags():
    """As they did not before lablib/emulator.py mended that."""
    program = default_build() / "helpers/xen/kept_flags"
    if not program.exists():
        raise tap.SkipTest("built without Xen's development files")
    transfer.put(FIXTURE.need(), "A", [program], "/opt/test", with_libraries=True)
    must_run("A", "/opt/test/kept_flags")


def guest_answers_from_outside():
    must_run("A", "lab-guest pattern_rate=500")
    until("the guest answers ping", lambda: ping(GUEST_IP))
    for address in (GUEST_IP, GUEST_IP6):
        until("its services are up", lambda: can_connect(address))
        check_lines(address)
        with connect(address, ECHO_PORT, socket.SOCK_DGRAM) as sock:
            sock.send(b"datagram" * 400)
            assert sock.recv(65536) == b"datagram" * 400


def can_connect(address):
    try:
        connect(address, NUMBERED_PORT).close()
        return True
    except OSError:
        return False


def check_lines(address):
    with connect(address, NUMBERED_PORT) as sock, sock.makefile("rw") as stream:
        for number in range(1, LINES + 1):
            print(f"line {number}", file=stream, flush=True)
            assert stream.readline() == f"{number} line {number}\n"


def pattern():
    with connect(GUEST_IP, PATTERN_PORT) as sock, sock.makefile() as stream:
        return {key: int(value) for key, value in (w.split("=") for w in stream.readline().split())}


def guest_memory_checks_itself():
    first = pattern()
    until("it goes on writing", lambda: pattern()["writes"] > first["writes"])
    last = pattern()
    assert last["errors"] == 0 and last["checks"] > last["pages"], last


def a_cut_link_is_silent_and_heals():
    lab = FIXTURE.need()
    across = f"ping -c 1 -W 2 {host_ip('B', 'repl')}"
    must_run("A", across)
    lab.set_link("repl", False)
    assert lab.run("A", across)[0] != 0, "the cut cable carries"
    assert ping(GUEST_IP), "cutting one cable cut the other"
    lab.set_link("repl", True)
    until("the link carries again", lambda: lab.run("A", across)[0] == 0)


def snapshot_brings_a_killed_host_back():
    lab = FIXTURE.need()
    lab.snapshot("test")
    with connect(GUEST_IP, NUMBERED_PORT) as sock:
        assert lab.kill("A"), "host A was not there"
        assert not lab.machine("A").alive() and lab.machine("B").alive()
        sock.sendall(b"anyone?\n")
        sock.settimeout(3)
        assert not answered(sock), "a host without power answered"
    must_run("B", "true")
    lab.restore("test")
    until("the guest of the snapshot answers", lambda: ping(GUEST_IP))
    check_lines(GUEST_IP)
    assert pattern()["errors"] == 0
    lab.forget("test")


def answered(sock):
    try:
        return bool(sock.recv(100))
    except OSError:
        return False


def processes_of_the_lab():
    marker, found = str(FIXTURE.directory).encode(), []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def down_leaves_nothing():
    lab = FIXTURE.need()
    assert len(processes_of_the_lab()) == 3, "two hosts and a keeper were expected"
    assert lab.down() and not lab.down()
    assert not processes_of_the_lab()
    left = {path.suffix for path in FIXTURE.directory.iterdir()}
    assert not left & {".pid", ".qmp", ".console", ".json"}, left


def hosts_end_with_their_owner():
    FIXTURE.need()
    with subprocess.Popen(["sleep", "1000"]) as owner:
        try:
            FIXTURE.lab.up(owner=owner.pid)
            assert processes_of_the_lab()
        finally:
            owner.kill()
    until("keeper and hosts are gone", lambda: not processes_of_the_lab())
    assert not network.Namespace(FIXTURE.directory).exists()


TESTS = [("two hosts run Xen", hosts_run_xen),
         ("exit status and output of a command come back, its time is bounded", commands_come_back_whole),
         ("files arrive unchanged", files_arrive_unchanged),
         ("a program brings its libraries", programs_bring_their_libraries),
         ("CMPXCHG16B changes no flag but ZF", cpus_keep_flags),
         ("a guest on A answers ping, numbered lines and datagrams", guest_answers_from_outside),
         ("the guest's memory checks itself", guest_memory_checks_itself),
         ("a cut link is silent and heals", a_cut_link_is_silent_and_heals),
         *((name, lambda case=case: case(FIXTURE.need())) for name, case in lab_command.TESTS),
         ("host A dies at once and a snapshot brings it back", snapshot_brings_a_killed_host_back),
         ("down leaves nothing behind", down_leaves_nothing),
         *((name, lambda case=case: case(FIXTURE.need())) for name, case in lab_command.ALONE),
         ("hosts end with their owner", hosts_end_with_their_owner)]

if __name__ == "__main__":
    sys.exit(FIXTURE.run_tests(TESTS))
