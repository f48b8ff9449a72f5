# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's other kernels for the guest, each with the suspend driver built for it."""

import lzma
import re
import shutil
from pathlib import Path

from lablib import cache, guest_driver, images, packages
from lablib.archive import Archive
from lablib.layout import LabError, cache_dir

FLAVOURS = ("amd64", "cloud-amd64")
BACKPORTS = f"{packages.RELEASE}-backports"
SUITES = {packages.RELEASE: "debian", f"{packages.RELEASE}-security": "debian-security", BACKPORTS: "debian"}
KERNEL, MODULES = "vmlinuz", "modules.cpio.gz"
IMAGE = re.compile(r"linux-image-((\d+\.\d+)\S*?)-((?:cloud-)?amd64)_")


def sources(place):
    signed = f"[signed-by={packages.KEYRING}] " if Path(packages.KEYRING).exists() else ""
    lines = [f"deb {signed}{packages.MIRROR}/{archive} {suite} main" for suite, archive in SUITES.items()]
    (place / "kernels.list").write_text("\n".join(lines) + "\n")
    return ["-o", f"Dir::Etc::sourcelist={place}/kernels.list", "-o", "Dir::Etc::sourceparts=/dev/null"]


def headers_of(deb):
    """6.1.0-56 has its tools in linux-kbuild-6.1, a backport has them in one of its own full name."""
    base, series, flavour = IMAGE.match(deb.name).groups()
    tools = base if "+" in base else series
    return [f"linux-headers-{base}-{flavour}", f"linux-headers-{base}-common", f"linux-kbuild-{tools}"]


def fetch(place, flavour, suite):
    options = [*sources(place), *(["-t", suite] if suite == BACKPORTS else [])]
    update = packages.apt(place, packages.UPDATE_LIMIT_S, *options, "update")
    archives = place / "apt/archives"
    wanted = [*options, "-y", "--download-only", "install", f"linux-image-{flavour}"]
    packages.check(packages.apt(place, packages.FETCH_LIMIT_S, *wanted), update.stderr)
    image = next(deb for deb in archives.glob("linux-image-*.deb") if IMAGE.match(deb.name))
    packages.check(packages.apt(place, packages.FETCH_LIMIT_S, *options, "download", *headers_of(image),
                                cwd=archives))
    return [image, *archives.glob("linux-headers-*.deb"), *archives.glob("linux-kbuild-*.deb")]


def unpacked(main, flavour, suite, say):
    """The caller holds the cache's lock."""
    place = cache_dir() / f"kernel-{flavour}-{suite}"
    if not place.exists():
        draft = place.with_name(place.name + ".part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        say(f"downloading {flavour} of {suite}")
        packages.unpack(fetch(draft, flavour, suite), draft / "root")
        root = packages.Root(draft / "root")
        main.run("bin/kmod", "-b", draft / "root", root.kernel_version(), name="depmod")
        shutil.rmtree(draft / "apt")
        draft.rename(place)
    return packages.Root(place / "root")


def chosen(base):
    """Of the guest's modules those that this kernel has as modules, and what they need."""
    needs = dict(line.split(":") for line in (base / "modules.dep").read_text().splitlines())
    by_name = {Path(path).name.split(".")[0].replace("-", "_"): path for path in needs}
    found = [by_name[name] for name in (n.replace("-", "_") for n in images.GUEST_MODULES) if name in by_name]
    return {file: needs[file] for path in found for file in [path, *needs[path].split()]}


def plain(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def archive(root, driver):
    version = root.kernel_version()
    base, made = root.path / "lib/modules" / version, Archive()
    wanted = chosen(base)
    for file in wanted:
        made.file(f"lib/modules/{version}/{file.removesuffix('.xz')}", plain(base / file))
    made.file(f"lib/modules/{version}/updates/{driver.name}", driver)
    index = "".join(f"{file}:{needs}\n" for file, needs in wanted.items()).replace(".ko.xz", ".ko")
    made.file(f"lib/modules/{version}/modules.dep", f"{index}updates/{driver.name}:\n".encode())
    return made


def make(directory, flavour, backports, say):
    """Files KERNEL and MODULES, for lab-guest's kernel= and overlay=, in a new directory; the kernel's version."""
    directory = Path(directory)
    if directory.exists():
        raise LabError(f"{directory} is there already")
    with cache.held():
        root = unpacked(packages.ensure(say), flavour, BACKPORTS if backports else packages.RELEASE, say)
    version = root.kernel_version()
    directory.mkdir(parents=True)
    driver = guest_driver.build(root.path, version, directory / "driver")
    archive(root, driver).write(directory / MODULES)
    shutil.copy(root.path / f"boot/vmlinuz-{version}", directory / KERNEL)
    return version
