# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules that need no compiler: they read lines."""

import re

import source

MAX_LINES, WARN_LINES = 400, 300
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
# Where a file was written is nobody's business and of no use to its reader.
LOCAL_PATH = re.compile(r"(?<![\w./-])/(home|root|[w]ork)/")
OPS = re.compile(r"\b(hv|vm|r|rep|replica)\s*->\s*ops\s*->")
OPS_ALLOWED = re.compile(r"^engine/hv/hv(_\w+)?\.c$")


def spdx():
    for path in source.c_files():
        if not re.match(r"/\* SPDX-License-Identifier: GPL-2\.0-or-later \*/\n", source.read(path)):
            yield f"{path}: the first line is not the licence's SPDX line"
    for path in source.python_files() + source.shell_files() + ["Makefile"]:
        lines = source.read(path).splitlines() or [""]
        first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
        if first != "# SPDX-License-Identifier: GPL-2.0-or-later":
            yield f"{path}: no SPDX line at the top"


def length():
    for path in source.c_files() + source.python_files() + source.shell_files():
        lines = source.read(path).count("\n")
        if lines > MAX_LINES:
            yield f"{path}: {lines} lines; split it (at most {MAX_LINES})"
        elif lines > WARN_LINES:
            print(f"# warning: {path}: {lines} lines, think of splitting it")


def matching(paths, pattern, what):
    for path in paths:
        for number, line in enumerate(source.read(path).splitlines(), 1):
            if pattern.search(line):
                yield f"{path}:{number}: {what}: {line.strip()[:80]}"


def finished():
    yield from matching(source.text_files(), UNFINISHED, "unfinished work")


def local_paths():
    yield from matching(source.text_files(), LOCAL_PATH, "path of one machine")


def operations():
    """The hypervisor's table is called by the wrappers that check its contract, and by nobody else."""
    paths = [p for p in source.c_files(".c") if not OPS_ALLOWED.match(p) and not p.startswith("tests/")]
    yield from matching(paths, OPS, "call the hv_ wrapper instead")
