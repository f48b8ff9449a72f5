#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks the sources against the rules of the house; prints TAP. Without names: every check."""

import sys

import compilers
import layers
import text_rules

CHECKS = {
    "layers": layers.check,
    "spdx": text_rules.spdx,
    "length": text_rules.length,
    "finished": text_rules.finished,
    "local-paths": text_rules.local_paths,
    "operations": text_rules.operations,
    "headers-alone": compilers.headers_alone,
    "clang-build": compilers.clang_build,
    "clang-format": compilers.clang_format,
    "cppcheck": compilers.cppcheck,
    "shellcheck": compilers.shellcheck,
    "pyflakes": compilers.pyflakes,
}


def main():
    names = sys.argv[1:] or list(CHECKS)
    if names == ["--list"]:
        print("\n".join(CHECKS))
        return 0
    failures = 0
    print(f"1..{len(names)}", flush=True)
    for number, name in enumerate(names, 1):
        problems = list(CHECKS[name]())
        for problem in problems:
            print("\n".join(f"# {line}" for line in problem.splitlines()))
        print(f"{'not ok' if problems else 'ok'} {number} - {name}", flush=True)
        failures += bool(problems)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
