#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the manual pages say is what the programs say; what is installed is complete."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import tap

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("REMUS_BUILD", "build")).resolve()
MAN = ROOT / "docs/man"
os.environ["REMUS_SOURCE"] = str(ROOT)   # for `remus-bench xen`
PROGRAMS = {"remusd": 8, "backupd": 8, "remusctl": 8, "remus-simvm": 1, "remus-simswitch": 1,
            "remus-simclient": 1, "remus-bench": 1, "vif-remus": 8}
DAEMONS = ("remusd", "backupd")
COMMANDS = ("protect", "unprotect", "list", "status", "events", "failover", "forget", "export", "version")


def output(program, *args):
    path = BUILD / program
    if not path.exists():
        raise tap.SkipTest(f"{program} is not built")
    done = subprocess.run([path, *args], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{program} {args}: exit {done.returncode}: {done.stderr}"
    assert done.stderr == "", done.stderr
    return done.stdout


def page(program, section):
    return (MAN / f"{program}.{section}").read_text()


def options_of_help(text):
    return set(re.findall(r"(?<![\w-])--([a-z][a-z0-9-]*)", text))


def options_of_page(text):
    """Options that have an item of their own: a mention elsewhere explains nothing."""
    items = "\n".join(re.findall(r"^\.It (Fl .*)$", text, re.MULTILINE))
    return set(re.findall(r"(?:Fl|,) -([a-z][a-z0-9-]*)", items))


def options_agree(program):
    told = options_of_help(output(program, "--help"))
    if program == "remusctl":
        for command in COMMANDS:
            told |= options_of_help(output(program, command, "--help"))
    if program == "remus-bench":
        told |= options_of_help(output(program, "xen", "--help"))
    text = page(program, PROGRAMS[program])
    described = options_of_page(text)
    assert told == described, f"only --help: {told - described}, only page: {described - told}"


def version_is_told(program):
    assert re.fullmatch(rf"{program} \d+\.\d+\.\d+\n", output(program, "--version"))


def keys_of_file(text):
    """key: value of a configuration file."""
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    return {k.strip(): v.strip() for k, v in (line.split("=", 1) for line in lines if line)}


def keys_of_page(text):
    items = re.findall(r"^\.It Ic (\w+) No =(?: Ar (.*))?$", text, re.MULTILINE)
    return {key: value.strip() for key, value in items}


def configuration_agrees(daemon):
    told = keys_of_file(output(daemon, "--print-defaults"))
    described = keys_of_page(page(f"{daemon}.conf", 5))
    assert list(told.items()) == list(described.items()), f"{told}\n{described}"


def defaults_are_accepted(daemon):
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "defaults.conf"
        path.write_text(output(daemon, "--print-defaults"))
        told = output(daemon, "--config", str(path), "--check-config")
        assert keys_of_file(told) == keys_of_file(path.read_text())


def every_program_has_a_page():
    for program, section in PROGRAMS.items():
        assert not (BUILD / program).exists() or page(program, section), program
    for daemon in DAEMONS:
        assert page(f"{daemon}.conf", 5)


def pages_are_well_formed():
    pages = sorted(MAN.glob("*.[158]"))
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def pages_name_existing_pages():
    existing = {path.name for path in MAN.glob("*.[158]")}
    for path in MAN.glob("*.[158]"):
        for name, section in re.findall(r"^\.Xr (\S+) (\d)", path.read_text(), re.MULTILINE):
            assert f"{name}.{section}" in existing, f"{path.name}: no page {name}({section})"


def exit_statuses_agree():
    text = page("remusctl", 8)
    section = text[text.index(".Sh EXIT STATUS"):text.index(".Sh EXAMPLES")]
    described = set(re.findall(r"^\.It (\d)$", section, re.MULTILINE))
    told = " ".join(output("remusctl", "--help").split())
    told = set(re.findall(r"\b(\d) [a-z']", told[told.index("Exit status"):]))
    assert told == described, (told, described)


def make(target, *args):
    done = subprocess.run(["make", "-s", "-o", "all", target, f"BUILD={BUILD}", *args], cwd=ROOT,
                          capture_output=True, text=True, timeout=120,
                          env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")})
    assert done.returncode == 0, done.stdout + done.stderr


def install_and_uninstall():
    built = [program for program in PROGRAMS if (BUILD / program).exists()]
    if not set(DAEMONS) <= set(built):
        raise tap.SkipTest("the daemons are not built")
    with tempfile.TemporaryDirectory() as root:
        args = (f"DESTDIR={root}", "PREFIX=/opt/remus")
        make("install", *args)
        prefix = Path(root) / "opt/remus"
        for program in built:
            folder = prefix / ("sbin" if program in DAEMONS else "bin")
            if program == "vif-remus":  # xl looks for it there, wherever the rest is
                folder = Path(root) / "etc/xen/scripts"
            assert os.access(folder / program, os.X_OK), program
            assert list(prefix.glob(f"share/man/man*/{program}.*")), program
        for daemon in DAEMONS:
            unit = (prefix / f"lib/systemd/system/{daemon}.service").read_text()
            assert f"ExecStart=/opt/remus/sbin/{daemon}\n" in unit
            example = (prefix / f"share/doc/remus/{daemon}.conf").read_text()
            assert keys_of_file(example), daemon
        make("uninstall", *args)
        left = [path for path in Path(root).rglob("*") if not path.is_dir()]
        assert not left, left


def completion_knows_every_option():
    text = (ROOT / "tools/completions/remusctl.bash").read_text()
    told = options_of_help(output("remusctl", "--help"))
    for command in COMMANDS:
        told |= options_of_help(output("remusctl", command, "--help"))
        assert command in text, command
    missing = {option for option in told if f"--{option}" not in text}
    assert not missing, missing


TESTS = [(f"options of {p} agree with its page", lambda p=p: options_agree(p)) for p in PROGRAMS]
TESTS += [(f"{p} tells its version", lambda p=p: version_is_told(p)) for p in PROGRAMS]
TESTS += [(f"keys and defaults of {d}.conf agree", lambda d=d: configuration_agrees(d))
          for d in DAEMONS]
TESTS += [(f"{d} accepts its own defaults", lambda d=d: defaults_are_accepted(d)) for d in DAEMONS]
TESTS += [(test.__name__.replace("_", " "), test) for test in (
    every_program_has_a_page, pages_are_well_formed, pages_name_existing_pages,
    exit_statuses_agree, install_and_uninstall, completion_knows_every_option)]

if __name__ == "__main__":
    sys.exit(tap.run(TESTS))
