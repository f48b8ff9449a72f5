#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What may skip tests, above all those on emulated Xen hosts, and what must fail them."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

TESTS_DIR = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS_DIR), str(TESTS_DIR / "xen")]

import run_all  # noqa: E402
from jobs import Job  # noqa: E402
import tap  # noqa: E402
from lablib import cli, fixture, images, packages  # noqa: E402
from lablib.layout import LabError, Unavailable  # noqa: E402

BROKEN = LabError("cannot compile echod.c")
NO_NETWORK = Unavailable("cannot download the Debian packages")


def raised(function, *args):
    try:
        function(*args)
    except Exception as error:
        return error
    return None


def lab_made(error=None):
    return mock.patch.object(images, "ensure", side_effect=error)


def with_the_rights(test):
    """A machine without them says so before it makes anything."""
    def run():
        with lab_made(), mock.patch.object(fixture, "check_memory"):
            reason = fixture.obstacle()
        if reason:
            raise tap.SkipTest(reason)
        with mock.patch.object(fixture, "check_memory"):
            test()
    return run


def no_download_skips():
    with lab_made(NO_NETWORK):
        assert fixture.obstacle() == str(NO_NETWORK)
        with contextlib.closing(fixture.Fixture()) as of_one_program:
            assert isinstance(raised(of_one_program.need), tap.SkipTest)


def what_does_not_compile_fails_every_case():
    with lab_made(BROKEN):
        assert raised(fixture.obstacle) is BROKEN
        with contextlib.closing(fixture.Fixture()) as of_one_program:
            assert raised(of_one_program.need) is BROKEN
            assert type(raised(of_one_program.need)) is LabError


def hosts_that_do_not_boot_fail_every_case():
    with lab_made(), mock.patch.object(fixture.Laboratory, "up", side_effect=LabError("did not boot")):
        with contextlib.closing(fixture.Fixture()) as of_one_program:
            for _ in range(2):
                assert type(raised(of_one_program.need)) is LabError


def errors_are_of_their_kind():
    with mock.patch.dict(os.environ, CC="false"):
        build = images.Build(Path("/nonexistent"), None)
        assert type(raised(images.compile_static, build, TESTS_DIR / "xen/guest/echod.c")) is LabError
    failed = subprocess.CompletedProcess([], 100, "", "E: Failed to fetch")
    assert type(raised(packages.check, failed)) is Unavailable


def the_command_tells_them_apart():
    for error, status in ((NO_NETWORK, run_all.LAB_UNAVAILABLE), (BROKEN, cli.EXIT_LAB)):
        with lab_made(error), mock.patch.object(sys, "argv", ["lab", "build"]), \
                contextlib.redirect_stderr(io.StringIO()):
            assert cli.main() == status, error


def only_what_is_unavailable_is_handed_on():
    for status, settings in ((run_all.LAB_UNAVAILABLE, {"REMUS_NO_LAB": "why"}), (cli.EXIT_LAB, {}), (0, {})):
        made = subprocess.CompletedProcess([], status, "", "first\nwhy\n")
        with mock.patch.object(subprocess, "run", return_value=made):
            assert run_all.make_laboratory() == settings, status


def what_is_not_run_is_counted():
    said, job = io.StringIO(), Job("xen", "long", [], on_request=True)
    done = run_all.Outcome(job, tap.parse("1..1\nok 1 - it\n"), "", 1)
    with contextlib.redirect_stdout(said):
        assert run_all.summary([done], [job, job]) == 0
    assert "2 test programs not run, only on request\n1 passed, 0 failed, 0 skipped\n" in said.getvalue()


def ran(kind, script):
    return run_all.run_job(Job(kind, "it", ["sh", "-c", script]), Path("/nonexistent"), 1)


def a_unit_test_that_cannot_run_is_skipped():
    said = io.StringIO()
    works = ran("unit", "echo 1..1; echo ok 1 - it")
    for script in ("echo built without Xen; exit 77", "echo built without Xen >&2; exit 77"):
        cannot = ran("unit", script)
        assert (cannot.results.skipped, cannot.results.failed) == (["built without Xen"], []), script
        with contextlib.redirect_stdout(said):
            assert run_all.summary([works, cannot], []) == 0
        assert said.getvalue().endswith("\n1 passed, 0 failed, 1 skipped\n")
        assert "skipped: unit/it: built without Xen\n" in said.getvalue()


def what_ends_like_one_that_cannot_run_fails():
    for kind, script in (("unit", "exit 77"), ("unit", "echo why; exit 1"), ("unit", "echo why"),
                         ("unit", "echo 1..1; echo why; exit 77"), ("unit", "echo ok 1 - it; exit 77"),
                         ("process", "echo why; exit 77"), ("xen", "echo why; exit 77")):
        assert ran(kind, script).results.failed, (kind, script)


TESTS = [("no download: skipped", with_the_rights(no_download_skips)),
         ("what does not compile fails every case", with_the_rights(what_does_not_compile_fails_every_case)),
         ("hosts that do not boot fail every case", with_the_rights(hosts_that_do_not_boot_fail_every_case)),
         ("errors are of their kind", errors_are_of_their_kind),
         ("lab build tells them apart", the_command_tells_them_apart),
         ("only what is unavailable is handed on", only_what_is_unavailable_is_handed_on),
         ("what is not run is counted", what_is_not_run_is_counted),
         ("a unit test that cannot run is skipped", a_unit_test_that_cannot_run_is_skipped),
         ("what ends like one that cannot run fails", what_ends_like_one_that_cannot_run_fails)]

if __name__ == "__main__":
    sys.exit(tap.run(TESTS))
