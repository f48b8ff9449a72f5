# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host boots: Xen, the dom0 kernel with its initramfs, and in that the guest's."""

import gzip
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from lablib import bzimage, cache, emulator, guest_driver, packages
from lablib.archive import Archive
from lablib.layout import SOURCES, LabError, cache_dir, digest, digest_files

XEN_BIN = "usr/lib/xen-4.17/bin"
XEN_TOOLS = ("xl", "xenstored", "xenconsoled", "xenconsole", "libxl-save-helper", "xen-init-dom0",
             "xentop", "xenctx", "xen-hvmctx", "xen-mfndump", "xenstore-control")
PROGRAMS = ("bin/bash", "bin/ip", "sbin/tc", "sbin/bridge", "sbin/ethtool", "usr/bin/socat",
            "usr/bin/xenstore")
DOM0_MODULES = ("xenfs", "xen-privcmd", "xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-netback",
                "xen-blkback", "tun", "bridge", "stp", "llc", "veth", "virtio_pci", "virtio_net",
                "net_failover", "failover", "8021q", "ifb", "sch_plug", "sch_ingress",
                "act_mirred", "cls_matchall", "loop")
GUEST_MODULES = ("xen-netfront", "xen-blkfront", "8021q")
LIBGCC = "lib/x86_64-linux-gnu/libgcc_s.so.1"   # pthread_cancel loads it, ldd does not name it
COMPILE_LIMIT_S = 120
UNUSED_DAYS = 14
RECIPE = ("layout.py", "packages.py", "archive.py", "bzimage.py", "emulator.py", "images.py", "guest_driver.py")


def recipe_files():
    made_from = [p for part in ("dom0", "guest") for p in (SOURCES / part).iterdir() if p.is_file()]
    return made_from + [SOURCES / "lablib" / name for name in RECIPE] + guest_driver.source_files()


class Build:
    """A finished build in the cache."""

    def __init__(self, path, root):
        self.path, self.root = path, root
        self.xen, self.kernel, self.dom0 = path / "xen.bin", path / "vmlinuz", path / "dom0.cpio.gz"
        self.emulator = path / "qemu-system-x86_64"

    @classmethod
    def from_paths(cls, path, root):
        return cls(Path(path), packages.Root(Path(root)))

    def dom0_libraries(self):
        return set(json.loads((self.path / "libraries.json").read_text()))


def ensure(say=lambda text: None):
    """The build of this recipe: from the cache, or made now."""
    with cache.held():
        root = packages.ensure(say)
        key = digest([digest_files(recipe_files()).encode(), root.versions()])
        build = Build(cache_dir() / f"build-{key}", root)
        if not build.path.exists():
            say("making the images")
            draft = build.path.with_name(build.path.name + ".part")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            make(Build(draft, root), say)
            draft.rename(build.path)
        os.utime(build.path)
        forget_unused()
        return build


def forget_unused():
    """Builds of other recipes, with their snapshots, that nobody has started for long."""
    for path in cache_dir().glob("build-*"):
        if time.time() - path.stat().st_mtime > UNUSED_DAYS * 86400:
            shutil.rmtree(path, ignore_errors=True)


def make(build, say):
    emulator.mend(build.root.path, build.emulator, say)
    root, version = build.root.path, build.root.kernel_version()
    build.xen.write_bytes(gzip.decompress((root / "boot/xen-4.17-amd64.gz").read_bytes()))
    shutil.copy(root / f"boot/vmlinuz-{version}", build.kernel)
    guest = build.path / "guest.cpio.gz"
    guest_archive(build).write(guest)
    dom0_archive(build, guest).write(build.dom0)


def compile_static(build, source):
    output = build.path / source.stem
    compiler = os.environ.get("CC", "cc")
    try:
        subprocess.run([compiler, "-O2", "-static", "-std=gnu11", "-D_GNU_SOURCE", "-I", SOURCES.parent.parent,
                        "-o", output, source],
                       check=True, capture_output=True, text=True, timeout=COMPILE_LIMIT_S)
    except FileNotFoundError:
        raise LabError(f"no C compiler: {compiler}") from None
    except subprocess.CalledProcessError as error:
        raise LabError(f"cannot compile {source.name}: {error.stderr.strip()}") from None
    return output


def basic_archive(build):
    """busybox, a console and the directories that every Linux expects."""
    archive = Archive()
    busybox = build.root.path / "bin/busybox"
    archive.file("bin/busybox", busybox)
    listed = subprocess.run([busybox, "--list-full"], check=True, capture_output=True, text=True,
                            timeout=COMPILE_LIMIT_S)
    for applet in listed.stdout.split():
        if applet != "bin/busybox":
            archive.link(applet, "/bin/busybox")
    for path in ("proc", "sys", "dev", "run", "etc", "root", "var/log", "var/lib"):
        archive.directory(path)
    archive.directory("tmp", 0o1777)
    archive.console()
    return archive


def sources(build, archive, part):
    """C programs go to /usr/sbin, init to /, other scripts where their kind belongs."""
    for path in sorted((SOURCES / part).iterdir()):
        if path.suffix == ".c":
            archive.file(f"usr/sbin/{path.stem}", compile_static(build, path), executable=True)
        elif path.suffix == ".h":
            continue
        elif path.name == "init":
            archive.file("init", path, executable=True)
        elif path.name.startswith(("vif", "block")):
            archive.file(f"etc/xen/scripts/{path.name}", path, executable=True)
        elif path.name in ("poweroff", "reboot"):
            archive.file(f"sbin/{path.name}", path, executable=True)
        else:
            archive.file(f"usr/sbin/{path.name}", path, executable=True)


def modules(build, archive, wanted, ours=()):
    """`wanted` with what they depend on, `ours` by path, and the index that busybox's modprobe reads."""
    version = build.root.kernel_version()
    base = build.root.path / "lib/modules" / version
    depends = dict(line.split(":") for line in (base / "modules.dep").read_text().splitlines())
    by_name = {Path(path).name.split(".")[0].replace("-", "_"): path for path in depends}
    chosen = {}
    for name in wanted:
        path = by_name[name.replace("-", "_")]
        for file in [path, *depends[path].split()]:
            chosen[file] = depends[file]
    for file in chosen:
        archive.file(f"lib/modules/{version}/{file}", base / file)
    for path in ours:
        chosen[f"updates/{path.name}"] = ""
        archive.file(f"lib/modules/{version}/updates/{path.name}", path)
    index = "".join(f"{file}:{needs}\n" for file, needs in chosen.items())
    archive.file(f"lib/modules/{version}/modules.dep", index.encode())


def guest_archive(build):
    archive = basic_archive(build)
    sources(build, archive, "guest")
    archive.file("usr/sbin/agentd", compile_static(build, SOURCES / "dom0/agentd.c"), executable=True)
    version = build.root.kernel_version()
    driver = guest_driver.build(build.root.path, version, build.path / "guest-driver")
    modules(build, archive, GUEST_MODULES, [driver])
    return archive


def dom0_archive(build, guest):
    root, archive = build.root.path, basic_archive(build)
    archive.tree(root / "etc/xen", "etc/xen")
    archive.tree(root / "usr/lib/xen-4.17/boot", "usr/lib/xen-4.17/boot")
    archive.link("var/run", "/run")
    archive.link("var/lock", "/run/lock")
    for path in ("var/lib/xen", "var/lib/xenstored", "var/log/xen"):
        archive.directory(path)
    add_programs(build, archive)
    sources(build, archive, "dom0")
    modules(build, archive, DOM0_MODULES)
    archive.file("boot/guest-vmlinux", bzimage.extract(build.kernel.read_bytes()))
    archive.file("boot/guest.cpio.gz", guest)
    return archive


def add_programs(build, archive):
    root, libraries = build.root.path, {LIBGCC}
    for program in [*PROGRAMS, *(f"{XEN_BIN}/{tool}" for tool in XEN_TOOLS)]:
        archive.file(program, root / program)
        libraries |= build.root.libraries(program)
    for tool in XEN_TOOLS:
        archive.link(f"usr/sbin/{tool}", f"/{XEN_BIN}/{tool}")
    for tool in (root / "usr/bin").glob("xenstore-*"):
        if not tool.is_symlink():
            archive.link(f"usr/bin/{tool.name}", "xenstore")
    for library in libraries:
        archive.file(library, (root / library).resolve(), executable=True)
    archive.link("lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    names = sorted(Path(library).name for library in libraries)
    (build.path / "libraries.json").write_text(json.dumps(names))
