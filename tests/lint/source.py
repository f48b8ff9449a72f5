# SPDX-License-Identifier: GPL-2.0-or-later
"""The files that the lint looks at."""

import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
C_DIRS = ("proto/", "engine/", "backupd/", "tools/", "tests/", "bench/")
KERNEL_DIR = "tools/guest-driver/"
TEXT_SUFFIXES = (".c", ".h", ".py", ".sh", ".bash", ".md", ".service", ".1", ".5", ".8")
TEXT_NAMES = ("Makefile", "run", ".clang-format", ".gitignore")


@functools.cache
def files():
    """Paths from the root, as strings, of what is in git or could be added to it."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True,
            capture_output=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive
        listed = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file()]
        listed = [p for p in listed if not p.startswith(("build", ".git/"))]
    return sorted({p for p in listed if (ROOT / p).is_file()})


def c_files(*suffixes):
    suffixes = suffixes or (".c", ".h")
    return [p for p in files() if p.startswith(C_DIRS) and p.endswith(suffixes)]


def program_files(*suffixes):
    """Without the kernel module: other headers, other rules for includes."""
    return [p for p in c_files(*suffixes) if not p.startswith(KERNEL_DIR)]


def text_files():
    return [p for p in files() if p.endswith(TEXT_SUFFIXES) or Path(p).name in TEXT_NAMES]


def python_files():
    return [p for p in files() if p.endswith(".py")]


def shell_files():
    return [p for p in files() if p.endswith((".sh", ".bash")) or p == ".ci/run"]


def read(path):
    return (ROOT / path).read_text(errors="replace")
