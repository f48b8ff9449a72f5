# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the guest's driver (tools/guest-driver) against the unpacked kernel headers."""

import shutil
import subprocess

from lablib.layout import SOURCES, LabError

DRIVER = SOURCES.parent.parent / "tools" / "guest-driver"
MODULE = "remus_suspend.ko"
MAKE_LIMIT_S = 300


def source_files():
    return [p for p in DRIVER.iterdir() if p.suffix in (".c", ".h") or p.name in ("Kbuild", "Makefile")]


def headers(root, version):
    return root / f"usr/src/linux-headers-{version}"


def compiler(root, version):
    """Debian's makefile names the compiler that built the kernel; another one of its kind will do."""
    text = (headers(root, version) / ".kernelvariables").read_text()
    named = [word.split(")")[-1] for word in text.split() if "CROSS_COMPILE)gcc" in word]
    return (named or ["gcc"])[0] if named and shutil.which(named[0]) else "gcc"


def copy_sources(place, changes):
    place.mkdir()
    for path in source_files():
        text = path.read_text()
        for old, new in changes.get(path.name, ()):
            if old not in text:
                raise LabError(f"{path.name} has no {old}")
            text = text.replace(old, new)
        (place / path.name).write_text(text)


def build(root, version, place, changes=None):
    """The module, for the kernel `version` of the unpacked packages; `place` is made.
    changes: file name to (old text, new text) pairs, for a driver that is to fail."""
    copy_sources(place, changes or {})
    command = ["make", "-C", place, f"KDIR={headers(root, version)}", f"CC={compiler(root, version)}"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=MAKE_LIMIT_S)
        subprocess.run(["strip", "--strip-debug", place / MODULE], check=True, timeout=MAKE_LIMIT_S)
    except FileNotFoundError as error:
        raise LabError(f"the guest's driver cannot be built: {error.filename} is not here") from None
    except subprocess.CalledProcessError as error:
        raise LabError(f"the guest's driver cannot be built: {(error.stderr or '').strip()}") from None
    return place / MODULE
