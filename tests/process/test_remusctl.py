#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""remusctl against a daemon that says what the test wants it to say."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import tap
from fake_daemon import FakeDaemon, backup_status, event, primary_status, waiting_status

PROGRAM = Path(os.environ.get("REMUS_BUILD", "build")) / "remusctl"
SCRATCH = tempfile.TemporaryDirectory(prefix="ctl")
DIR = Path(SCRATCH.name)
REMUSD, BACKUPD = DIR / "remusd.sock", DIR / "backupd.sock"
OK, FAILED, USAGE, NO_DAEMON, UNKNOWN_VM, TIMEOUT, UNPROTECTED = range(7)


def run(*args, timeout=60):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=timeout,
                          env=dict(os.environ, REMUS_RUN_DIR=str(DIR)), stdin=subprocess.DEVNULL)


def expect(done, status, stdout=(), stderr=()):
    shown = f"{done.args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == status, shown
    for text in [stdout] if isinstance(stdout, str) else stdout:
        assert text in done.stdout, f"no {text!r}: {shown}"
    for text in [stderr] if isinstance(stderr, str) else stderr:
        assert text in done.stderr, f"no {text!r}: {shown}"
    if status == USAGE:
        assert done.stdout == "", shown
    return done


def document(done):
    """The one JSON document on stdout."""
    assert done.stdout.count("\n") == 1, done.stdout
    return json.loads(done.stdout)


def always(answer):
    return lambda request: answer


def protect_sends_what_was_asked():
    accepted = {"ok": True, "uuid": "u-1", "name": "web"}
    with FakeDaemon(REMUSD, always(accepted)) as daemon:
        expect(run("protect", "web", "--to", "b:1"), OK, ["web (u-1)", "b:1"])
        expect(run("protect", "web", "--to=b", "--epoch", "10", "--hold", "none", "--unsafe", "--suspend", "driver"),
               OK)
        assert document(run("--json", "protect", "web", "--to", "b")) == accepted
    assert daemon.requests[0] == {"cmd": "protect", "vm": "web", "to": "b:1"}
    assert daemon.requests[1] == {"cmd": "protect", "vm": "web", "to": "b", "epoch_ms": 10,
                                  "hold": "none", "suspend": "driver", "unsafe": True}


def bad_command_lines_ask_nobody():
    lines = [([], "name a command"), (["frobnicate"], "no such command"),
             (["protect"], "name a VM"), (["protect", "web"], "no backup host"),
             (["protect", "web", "--to", "b", "--epoch", "0"], "0 ms is out of range"),
             (["protect", "web", "--to", "b", "--epoch", "3600000"], "out of range"),
             (["protect", "web", "--to", "b", "--epoch", "25x"], "out of range"),
             (["protect", "web", "--to", "b", "--hold", "none"], "needs --unsafe"),
             (["protect", "web", "--to", "b", "--hold", "air"], "air"),
             (["protect", "web", "--to", "b", "--suspend", "now"], "now"),
             (["protect", "web", "more", "--to", "b"], "unexpected"),
             (["status", "--follow"], "--follow"), (["list", "web"], "unexpected"),
             (["--timeout", "-1", "list"], "--timeout"), (["failover"], "name a VM"),
             (["failover", "web", "--force"], "for the backup"),
             (["--backup", "failover", "web"], "must be forced"), (["forget", ""], "empty"),
             (["export", "web"], "name the file"), (["export", "web", ""], "FILE is empty"),
             (["export", "web", "f", "g"], "unexpected")]
    with FakeDaemon(REMUSD, always({"ok": True})) as a, FakeDaemon(BACKUPD, a.answer) as b:
        for line, text in lines:
            expect(run(*line), USAGE, stderr=text)
            expect(run("--json", *line), USAGE, stderr=text)
    assert not a.requests and not b.requests


def refusals_are_told():
    def refuse(request):
        return {"ok": False, "code": "already-protected" if request["vm"] == "web" else "unknown-vm",
                "error": "it cannot be", "hint": "do that"}

    with FakeDaemon(REMUSD, refuse):
        done = expect(run("protect", "web", "--to", "b"), FAILED)
        assert done.stderr == "remusctl: it cannot be\n  hint: do that\n", done.stderr
        expect(run("unprotect", "other"), UNKNOWN_VM, stderr="it cannot be")
        done = expect(run("--json", "protect", "web", "--to", "b"), FAILED)
        assert document(done) == refuse({"vm": "web"}), done.stdout


def simple_commands():
    with FakeDaemon(REMUSD, always({"ok": True})) as primary, \
            FakeDaemon(BACKUPD, always({"ok": True})) as backup:
        expect(run("unprotect", "web"), OK, "web is no longer protected")
        expect(run("unprotect", "web", "--force"), OK)
        expect(run("failover", "web"), OK, "runs at the backup")
        expect(run("--backup", "failover", "web", "--force"), OK, "runs here")
        expect(run("forget", "web"), OK, "forgotten")
        assert document(run("failover", "web", "--json")) == {"ok": True}
    assert primary.requests == [
        {"cmd": "unprotect", "vm": "web"}, {"cmd": "unprotect", "vm": "web", "force": True},
        {"cmd": "failover", "vm": "web"}, {"cmd": "failover", "vm": "web"}]
    assert backup.requests == [{"cmd": "failover", "vm": "web", "force": True},
                               {"cmd": "forget", "vm": "web"}]


def export_asks_the_backup_and_waits():
    status = backup_status(export={"file": "/x", "epoch": 7, "bytes": 3 << 20, "bytes_total": 8 << 20})
    done = {"ok": True, "uuid": "u-1", "name": "web", "file": "/x", "epoch": 7, "bytes": 8 << 20}
    finish = threading.Event()

    def answer(request):
        if request["cmd"] == "status":
            finish.set()
            return {"ok": True, "vms": [status]}
        return done if finish.wait(30) else None

    with FakeDaemon(BACKUPD, answer) as daemon:
        expect(run("export", "web", "x.xl"), OK, "web: epoch 7 is in /x (8.0 MiB)", "3.0 MiB of 8.0 MiB")
        assert document(run("--json", "export", "web", "/x", "--force")) == done
    asked = [request for request in daemon.requests if request["cmd"] == "export"]
    assert asked == [{"cmd": "export", "vm": "web", "file": f"{os.getcwd()}/x.xl"},
                     {"cmd": "export", "vm": "web", "file": "/x", "force": True}]


def export_ends_at_an_explicit_time_only():
    def answer(request):
        return {"ok": True, "vms": []} if request["cmd"] == "status" else None

    with FakeDaemon(BACKUPD, answer):
        expect(run("--timeout", "1", "export", "web", "/x"), TIMEOUT, stderr="took too long")
    with FakeDaemon(BACKUPD, always({"ok": False, "code": "busy", "error": "not now", "hint": ""})):
        expect(run("export", "web", "/x"), FAILED, stderr="not now")
    expect(run("export", "web", "/x"), NO_DAEMON)


def list_and_status_join_both_daemons():
    both = [FakeDaemon(REMUSD, always({"ok": True, "vms": [primary_status()]})),
            FakeDaemon(BACKUPD, always({"ok": True, "vms": [backup_status(name="db")]}))]
    with both[0], both[1]:
        expect(run("list"), OK, ["NAME", "web", "primary", "db", "standby"])
        expect(run("status"), OK, ["39.8/40", "0.31/0.29/0.80", "1.5 GiB", "12 ms"])
        vms = document(run("status", "--json"))["vms"]
        assert [vm["name"] for vm in vms] == ["web", "db"]
        only = document(run("--backup", "list", "--json"))["vms"]
        assert [vm["name"] for vm in only] == ["db"]
        only = document(run("--socket", str(REMUSD), "list", "--json"))["vms"]
        assert [vm["name"] for vm in only] == ["web"]


def status_of_one_vm_tells_by_its_exit():
    reason = {"cause": "behind", "text": "the link is slow", "for_ms": 3200}
    cases = [(primary_status(), OK), (primary_status(degraded=[reason]), UNPROTECTED),
             (primary_status(protected=False, state="syncing"), UNPROTECTED),
             (backup_status(), OK), (backup_status(protected=False), UNPROTECTED)]
    for status, expected in cases:
        with FakeDaemon(REMUSD, always({"ok": True, "vms": [status]})) as daemon:
            expect(run("status", "web"), expected, [status["uuid"], status["state"]])
            expect(run("status", "web", "--json"), expected)
            expect(run("status"), OK)
        assert daemon.requests[0] == {"cmd": "status", "vm": "web"}
    for primary, backup, expected in ((False, True, UNPROTECTED), (True, False, OK)):
        vms = [[primary_status(protected=primary)], [backup_status(protected=backup)]]
        with FakeDaemon(REMUSD, always({"ok": True, "vms": vms[0]})), \
                FakeDaemon(BACKUPD, always({"ok": True, "vms": vms[1]})):
            expect(run("status", "web"), expected, ["primary", "backup"])
    with FakeDaemon(REMUSD, always({"ok": True, "vms": [primary_status(degraded=[reason])]})):
        line = "degraded: behind: the link is slow (for 3.2 s)"
        expect(run("status"), OK, line)
        expect(run("status", "web"), UNPROTECTED, line)


def status_tells_how_the_vm_is_stopped():
    for suspend, line in (({"mode": "driver", "version": "1.2", "why": None}, "by the guest's driver, version 1.2"),
                          ({"mode": "cooperative", "version": None, "why": "it has none"},
                           "by the guest's kernel: it has none")):
        with FakeDaemon(REMUSD, always({"ok": True, "vms": [primary_status(suspend=suspend)]})):
            expect(run("status", "web"), OK, line)


def status_of_a_vm_without_a_process():
    with FakeDaemon(REMUSD, always({"ok": True, "vms": [waiting_status()]})):
        told = ["restarting", "degraded: no-process: it died (for 40 ms)"]
        expect(run("status"), OK, told)
        detail = expect(run("status", "web"), UNPROTECTED, told).stdout
        assert "lease" not in detail and "stopped" not in detail, detail


def status_of_an_unknown_vm():
    unknown = {"ok": False, "code": "unknown-vm", "error": "no VM web", "hint": ""}
    with FakeDaemon(REMUSD, always(unknown)):
        expect(run("status", "web"), UNKNOWN_VM, stderr="no VM web")
        with FakeDaemon(BACKUPD, always({"ok": True, "vms": [backup_status()]})):
            assert expect(run("status", "web"), OK, "standby").stderr == ""
    with FakeDaemon(REMUSD, always({"ok": True, "vms": []})):
        expect(run("status", "web"), UNKNOWN_VM)
        expect(run("status"), OK)


def no_daemon():
    for line in (["list"], ["status"], ["events"], ["events", "--follow"], ["unprotect", "web"],
                 ["forget", "web"], ["protect", "web", "--to", "b"], ["status", "web"]):
        expect(run(*line), NO_DAEMON, stderr="hint: ")
        done = expect(run("--json", *line), NO_DAEMON)
        assert document(done)["code"] == "no-daemon"
    REMUSD.touch()
    try:
        expect(run("list"), NO_DAEMON)
        with FakeDaemon(BACKUPD, always({"ok": True, "vms": [backup_status()]})):
            expect(run("list"), OK, "standby", "warning")
    finally:
        REMUSD.unlink()


def versions():
    with FakeDaemon(REMUSD, always({"ok": True, "daemon": "remusd", "version": "9.9", "pid": 7})):
        expect(run("version"), OK, ["remusctl ", "remusd 9.9, process 7"])
        daemons = document(run("version", "--json"))["daemons"]
        assert daemons[0]["version"] == "9.9" and "error" in daemons[1]
    expect(run("version"), NO_DAEMON, "remusctl ", "no daemon answers")
    assert not document(run("version", "--json"))["ok"]
    with FakeDaemon(REMUSD, lambda request: None):
        expect(run("version", "--timeout", "1"), TIMEOUT, "remusctl ", "no daemon answers")


def events_in_order_of_time():
    first = {"ok": True, "events": [event(1, "one"), event(3, "three")]}
    second = {"ok": True, "events": [event(2, "two", role="backup")]}
    with FakeDaemon(REMUSD, always(first)), FakeDaemon(BACKUPD, always(second)):
        lines = expect(run("events"), OK).stdout.splitlines()
        assert [line.split(": ")[-1] for line in lines] == ["one", "two", "three"], lines
        lines = expect(run("events", "--json"), OK).stdout.splitlines()
        assert [json.loads(line)["text"] for line in lines] == ["one", "two", "three"]


def events_follow_until_the_end():
    lines = b"".join(json.dumps(event(n, f"late {n}")).encode() + b"\n" for n in (4, 5))

    def answer(request):
        assert request == {"cmd": "events", "follow": True}
        return [{"ok": True, "events": [event(1, "early")]}, lines]

    with FakeDaemon(REMUSD, answer):
        expect(run("events", "--follow"), NO_DAEMON, ["early", "late 4", "late 5"], "ended")
        with FakeDaemon(BACKUPD, always([{"ok": True, "events": [event(2, "two")]}, lines])):
            out = expect(run("events", "--follow"), NO_DAEMON).stdout
            assert out.count("late 4") == 2 and out.index("early") < out.index("two"), out


def protect_waits_and_shows_progress():
    sync = {"pages_total": 1000, "bytes_per_s": 1048576, "eta_s": 2, "round": 1}
    states = [primary_status(state="connecting", protected=False),
              primary_status(state="syncing", protected=False, sync=dict(sync, pages_done=500)),
              primary_status()]

    def answer(request):
        if request["cmd"] == "protect":
            return {"ok": True, "uuid": "u", "name": "web"}
        return {"ok": True, "vms": [states.pop(0) if len(states) > 1 else states[0]]}

    with FakeDaemon(REMUSD, answer):
        expect(run("protect", "web", "--to", "b", "--wait"), OK, "web is protected",
               ["connecting", "50%", "1.0 MiB/s", "2 s left"])
        assert document(run("protect", "web", "--to", "b", "--wait", "--json"))["vms"]


def protect_stops_waiting():
    for state, status, limit_s in (("vm-gone", FAILED, 30), ("syncing", TIMEOUT, 1)):
        def answer(request, state=state):
            return {"ok": True, "uuid": "u", "name": "web",
                    "vms": [primary_status(state=state, protected=False)]}

        with FakeDaemon(REMUSD, answer):
            line = ["protect", "web", "--to", "b", "--wait", "--timeout", str(limit_s)]
            expect(run(*line), status)
            assert document(expect(run("--json", *line), status))["ok"] is False


def hostile_replies():
    huge = b'{"ok": true, "vms": "' + b"x" * (64 << 20) + b'"}\n'
    replies = [b"\n", b"garbage\n", b"\xff\xfe\0\n", b"[]\n", b"3\n", b"{}\n", b'{"ok": 1}\n',
               b'{"ok": "true"}\n', b'{"ok": false}\n', b'{"ok": false, "error": 7}\n',
               b"[" * 50000 + b"\n", huge]
    for reply in replies:
        with FakeDaemon(REMUSD, always(reply)):
            for line in (["status"], ["unprotect", "web"], ["events", "--follow"]):
                done = expect(run("--json", *line), FAILED)
                assert document(done)["ok"] is False, reply[:40]
                assert done.stderr.startswith("remusctl: "), reply[:40]


def half_an_answer():
    for reply in (b"", b'{"ok": tr'):
        with FakeDaemon(REMUSD, always(reply)):
            expect(run("list"), NO_DAEMON, stderr="hung up")


def silence():
    with FakeDaemon(REMUSD, always(None)):
        expect(run("--timeout", "1", "list"), TIMEOUT, stderr="no reply in time")
        assert document(run("--timeout", "1", "--json", "list"))["code"] == "timeout"


def wrong_types_are_shown_as_unknown():
    wrong = dict.fromkeys(primary_status(), [])
    for vm in (wrong, {}, 3, None, dict(primary_status(), sync={}, degraded=[4], coding="x")):
        with FakeDaemon(REMUSD, always({"ok": True, "vms": [vm]})):
            expect(run("list"), OK)
            expect(run("status"), OK)
            assert run("status", "web").returncode in (OK, UNPROTECTED)
    for field in ({}, "x", 3):
        with FakeDaemon(REMUSD, always({"ok": True, "vms": field, "events": field})):
            expect(run("list"), OK)
            expect(run("events"), OK)


def names_cannot_command_the_terminal():
    evil = primary_status(name="a\x1b[2Jb\x9bc\nd", peer="\x07" * 500)
    with FakeDaemon(REMUSD, always({"ok": True, "vms": [evil]})):
        for line in (["list"], ["status"], ["status", "web"]):
            out = run(*line).stdout
            assert not any(c in out for c in "\x1b\x9b\x07"), repr(out)


def every_command_has_help():
    for name in ("protect", "unprotect", "list", "status", "events", "failover", "export", "forget",
                 "version"):
        expect(run(name, "--help"), OK, f"remusctl {name}")
    expect(run("--help"), OK, "Commands:")
    expect(run("--version"), OK, "remusctl ")


TESTS = [protect_sends_what_was_asked, bad_command_lines_ask_nobody, refusals_are_told,
         simple_commands, export_asks_the_backup_and_waits, export_ends_at_an_explicit_time_only,
         list_and_status_join_both_daemons, status_of_one_vm_tells_by_its_exit,
         status_tells_how_the_vm_is_stopped, status_of_a_vm_without_a_process, status_of_an_unknown_vm, no_daemon,
         versions, events_in_order_of_time,
         events_follow_until_the_end, protect_waits_and_shows_progress, protect_stops_waiting,
         hostile_replies, half_an_answer, silence, wrong_types_are_shown_as_unknown,
         names_cannot_command_the_terminal, every_command_has_help]

if __name__ == "__main__":
    sys.exit(tap.run([(test.__name__.replace("_", " "), test) for test in TESTS]))
