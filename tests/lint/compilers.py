# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules that other programs check."""

import collections
import concurrent.futures
import subprocess

import source

WARNINGS = ["-std=gnu11", "-Wall", "-Wextra", "-Wshadow", "-Wvla", "-Wstrict-prototypes",
            "-Wmissing-prototypes", "-Wformat=2", "-Werror", "-D_GNU_SOURCE", "-I.",
            '-DREMUS_VERSION="0"', '-DREMUS_XEN_RELEASE="0"']
LIBRARIES = ["libevent_core", "jansson", "liblz4", "libxxhash"]
LIMIT_S = 500
XEN_DIRS = ("engine/hv/xen/", "tests/xen/tools/")


def run(argv, **kwargs):
    """What the command says when it fails, else nothing."""
    try:
        done = subprocess.run(argv, cwd=source.ROOT, text=True, capture_output=True, timeout=LIMIT_S,
                              **kwargs)
    except FileNotFoundError:
        return f"{argv[0]} is missing; run: make deps"
    except subprocess.TimeoutExpired:
        return f"{argv[0]}: still running after {LIMIT_S} s"
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"{argv[0]} failed"


def run_each(command_of, items):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for text in pool.map(command_of, items):
            if text:
                yield text


def library_flags():
    return subprocess.check_output(["pkg-config", "--cflags", *LIBRARIES], text=True).split()


def buildable(paths):
    """Without Xen's development files (Debian: libxen-dev) its backend is not built, and not judged here."""
    if subprocess.run(["pkg-config", "--exists", "xencontrol", "xenlight"], check=False).returncode == 0:
        return paths
    return [p for p in paths if not p.startswith(XEN_DIRS) or "/format/" in p]


def clang_build():
    """gcc has its say in the build; clang has another opinion on what is dubious."""
    flags = WARNINGS + library_flags()
    yield from run_each(lambda path: run(["clang", *flags, "-fsyntax-only", path]),
                        buildable(source.program_files(".c")))


def headers_alone():
    """Each header compiles as the first include of a file, and twice does no harm."""
    flags = WARNINGS + library_flags()

    def compile_header(path):
        text = f'#include "{path}"\n#include "{path}"\nextern int lint_not_empty;\n'
        return run(["gcc", *flags, "-fsyntax-only", "-x", "c", "-"], input=text)

    yield from run_each(compile_header, buildable(source.program_files(".h")))


def clang_format():
    text = run(["clang-format", "--dry-run", "-Werror", *source.c_files()])
    places = collections.Counter(line.split(":")[0] for line in text.splitlines() if " error: " in line)
    for path, count in places.items():
        yield f"{path}: {count} places not formatted; run: make format"
    if text and not places:
        yield text


def cppcheck():
    """Its own preprocessor does not see system headers: list heads of sys/queue.h need help."""
    queues = [f"-D{kind}_HEAD(name,type)=struct name" for kind in ("LIST", "TAILQ", "STAILQ", "SLIST")]
    text = run(["cppcheck", "--quiet", "--std=c11", "--language=c", "--error-exitcode=1",
                "--enable=warning,performance,portability", "--inline-suppr", "--max-configs=4",
                "--suppress=missingIncludeSystem", "--suppress=unknownMacro",
                # wrong about what a macro or a callee sets; the compilers look for the same
                "--suppress=uninitvar", "-I.", "-j2", "-D_GNU_SOURCE", '-DREMUS_VERSION="0"',
                *queues, *source.program_files(".c")])
    if text:
        yield text


def shellcheck():
    scripts = source.shell_files()
    text = run(["shellcheck", "--shell=bash", *scripts]) if scripts else ""
    if text:
        yield text


def pyflakes():
    """A name that is not imported would come to light only where it is used: at the end of a test of ten minutes."""
    text = run(["pyflakes3", *source.python_files()])
    if text:
        yield text
