# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian 12's packages, unpacked into the cache: nothing is installed on this machine.

apt-get resolves them against an empty list of installed packages, so that what was fetched is
complete, needs no root and is the same on every machine.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from lablib.layout import LabError, Unavailable, cache_dir, digest

PACKAGES = ("qemu-system-x86", "xen-hypervisor-4.17-amd64", "xen-utils-4.17", "xen-utils-common",
            "xenstore-utils", "busybox-static", "bash", "kmod", "iproute2", "ethtool", "socat",
            "linux-image-amd64")
# Of the kernel's version: enough to build a module, without the compiler that apt would add.
HEADERS = ("linux-headers-{release}-{flavour}", "linux-headers-{release}-common", "linux-kbuild-{series}")
RELEASE = "bookworm"
MIRROR = "http://deb.debian.org"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
UPDATE_LIMIT_S, FETCH_LIMIT_S, UNPACK_LIMIT_S, TOOL_LIMIT_S = 180, 900, 300, 120
UNUSED = ("usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/iso-codes")
LIB_DIRS = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu",
            "usr/lib/x86_64-linux-gnu/pulseaudio")


def directory():
    return cache_dir() / f"packages-{digest(p.encode() for p in PACKAGES + HEADERS)}"


def is_bookworm():
    try:
        return f"VERSION_CODENAME={RELEASE}" in Path("/etc/os-release").read_text()
    except OSError:
        return False


def foreign_sources(place):
    """On any other system apt-get is pointed at Debian 12 for this one call."""
    signed = f"[signed-by={KEYRING}] " if os.path.exists(KEYRING) else ""
    lines = [f"deb {signed}{MIRROR}/debian {RELEASE} main",
             f"deb {signed}{MIRROR}/debian-security {RELEASE}-security main"]
    (place / "sources.list").write_text("\n".join(lines) + "\n")
    return ["-o", f"Dir::Etc::sourcelist={place}/sources.list", "-o", "Dir::Etc::sourceparts=/dev/null"]


def apt(place, limit_s, *arguments, cwd=None):
    for sub in ("lists/partial", "apt/archives/partial"):
        (place / sub).mkdir(parents=True, exist_ok=True)
    (place / "status").touch()
    options = {"Dir::State::status": place / "status", "Dir::State::lists": place / "lists",
               "Dir::Cache": place / "apt", "APT::Sandbox::User": "", "APT::Architecture": "amd64",
               "APT::Install-Recommends": "0", "APT::Get::List-Cleanup": "0",
               "Acquire::Retries": "1", "Acquire::http::Timeout": "15"}
    argv = ["apt-get", *(o for key, value in options.items() for o in ("-o", f"{key}={value}"))]
    argv += [] if is_bookworm() else foreign_sources(place)
    try:
        return subprocess.run([*argv, *arguments], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=limit_s, cwd=cwd)
    except FileNotFoundError:
        raise Unavailable("apt-get is not here; the laboratory is made of Debian packages") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"apt-get took more than {limit_s} s; no network?") from None


def fetch(place):
    update = apt(place, UPDATE_LIMIT_S, "update")
    archives = place / "apt/archives"
    check(apt(place, FETCH_LIMIT_S, "-y", "--download-only", "install", *PACKAGES), update.stderr)
    check(apt(place, FETCH_LIMIT_S, "download", *headers_of(archives), cwd=archives))
    return sorted(archives.glob("*.deb"))


def check(got, said_before=""):
    if got.returncode != 0:
        said = (said_before + got.stderr).splitlines()
        why = [line for line in said if line.startswith(("E:", "W: Failed"))]
        raise Unavailable("cannot download the Debian packages: " + (why or ["apt-get failed"])[0])


def headers_of(archives):
    """The packages that go with the kernel that was downloaded."""
    names = [deb.name for deb in archives.glob("linux-image-*.deb")]
    found = [m for m in map(re.compile(r"linux-image-((\d+\.\d+)\S*?-\d+)-(\w+)_").match, names) if m]
    release, series, flavour = found[0].groups()
    return [name.format(release=release, series=series, flavour=flavour) for name in HEADERS]


def unpack(debs, root):
    for deb in debs:
        try:
            subprocess.run(["dpkg-deb", "-x", deb, root], check=True, timeout=UNPACK_LIMIT_S)
        except (OSError, subprocess.SubprocessError) as error:
            raise LabError(f"cannot unpack {deb.name}: {error}") from None
    for path in UNUSED:
        shutil.rmtree(root / path, ignore_errors=True)
    relocate_headers(root)


def relocate_headers(root):
    """They include each other under the path where Debian installs them."""
    for makefile in root.glob("usr/src/linux-headers-*/Makefile"):
        text = makefile.read_text()
        makefile.write_text(text.replace("include /usr/src/", "include ../", 1))


def ensure(say):
    """The unpacked packages; the caller holds the cache's lock."""
    place = directory()
    if place.exists():
        return Root(place / "root")
    draft = place.with_name(place.name + ".part")
    shutil.rmtree(draft / "root", ignore_errors=True)
    draft.mkdir(parents=True, exist_ok=True)
    say("downloading Debian packages (once, 150 MB)")
    debs = fetch(draft)
    say(f"unpacking {len(debs)} packages")
    unpack(debs, draft / "root")
    root = Root(draft / "root")
    root.run("bin/kmod", "-b", draft / "root", root.kernel_version(), name="depmod")
    (draft / "versions").write_text("".join(f"{deb.stem}\n" for deb in debs))
    shutil.rmtree(draft / "apt")
    shutil.rmtree(draft / "lists")
    draft.rename(place)
    return Root(place / "root")


class Root:
    """The tree of unpacked packages; its programs run with its own libraries."""

    def __init__(self, path):
        self.path = path

    def versions(self):
        return (self.path.parent / "versions").read_bytes()

    def kernel_version(self):
        return next((self.path / "lib/modules").iterdir()).name

    def argv(self, program, name=None):
        libraries = ":".join(str(self.path / d) for d in LIB_DIRS)
        return [str(self.path / LIB_DIRS[0] / "ld-linux-x86-64.so.2"), "--inhibit-cache",
                "--library-path", libraries, "--argv0", name or program, str(self.path / program)]

    def run(self, program, *arguments, name=None):
        try:
            return subprocess.run([*self.argv(program, name), *map(str, arguments)], check=True,
                                  text=True, capture_output=True, timeout=TOOL_LIMIT_S).stdout
        except subprocess.CalledProcessError as error:
            raise LabError(f"{program}: {error.stderr.strip()}") from None

    def libraries(self, program):
        """Files that `program` needs, the loader included, as paths below the root."""
        argv = self.argv(program)
        listed = subprocess.run([*argv[:-1], "--list", argv[-1]], text=True, capture_output=True,
                                timeout=TOOL_LIMIT_S)
        if listed.returncode != 0:
            return set()  # statically linked
        found = {word for word in listed.stdout.split() if word.startswith(str(self.path))}
        return {str(Path(word).relative_to(self.path)) for word in found}
