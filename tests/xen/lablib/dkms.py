# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's dkms and kmod on trees of a directory: nothing of this machine is changed by them."""

import os
import shlex
import shutil
import subprocess

from lablib import packages
from lablib.layout import cache_dir

KMOD_TOOLS = ("modinfo", "depmod", "modprobe")
# What it would otherwise make a key for in /var/lib/dkms, whichever trees it is given.
SIGNING = {"sign_file": "usr/lib/linux-kbuild-{series}/scripts/sign-file", "mok_signing_key": "mok.key",
           "mok_certificate": "mok.pub"}
LIMIT_S = 300


def ensure(say):
    """The program, unpacked into the cache; the caller holds the cache's lock."""
    place = cache_dir() / f"dkms-{packages.RELEASE}"
    if not place.exists():
        draft = place.with_name(place.name + ".part")
        shutil.rmtree(draft, ignore_errors=True)
        say("downloading dkms")
        update = packages.apt(draft, packages.UPDATE_LIMIT_S, "update")
        archives = draft / "apt/archives"
        packages.check(packages.apt(draft, packages.FETCH_LIMIT_S, "download", "dkms", cwd=archives), update.stderr)
        packages.unpack(archives.glob("*.deb"), draft / "root")
        for used in ("apt", "lists"):
            shutil.rmtree(draft / used)
        draft.rename(place)
    return place / "root/usr/sbin/dkms"


class System:
    """The root directory of a system, as far as kernel modules are concerned, with the kernel of the unpacked
    packages `root`; `program` is dkms."""

    def __init__(self, place, root, program):
        self.place, self.root, self.program = place, root, program
        self.version = root.kernel_version()
        self.headers = root.path / f"usr/src/linux-headers-{self.version}"
        self.modules = place / "lib/modules" / self.version
        for tree in (self.modules, place / "usr/src", place / "var/lib/dkms", place / "tmp", place / "bin"):
            tree.mkdir(parents=True)
        for tool in KMOD_TOOLS:
            script = place / "bin" / tool
            script.write_text(f'#!/bin/sh\nexec {shlex.join(root.argv("bin/kmod", tool))} "$@"\n')
            script.chmod(0o755)

    def run(self, *command, cwd=None, status=0):
        """What it wrote, all of it. It must end with `status`."""
        env = dict(os.environ, PATH=f"{self.place}/bin:{os.environ['PATH']}", TMPDIR=str(self.place / "tmp"),
                   **self.signing())
        done = subprocess.run([str(word) for word in command], cwd=cwd, env=env, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S)
        assert done.returncode == status, f"{command}: {done.returncode}: {done.stdout}"
        return done.stdout

    def signing(self):
        sign, key, certificate = SIGNING.values()
        series = ".".join(self.version.split(".")[:2])
        return dict(zip(SIGNING, (str(self.root.path / sign.format(series=series)), str(self.place / key),
                                  str(self.place / certificate))))

    def dkms(self, *words, headers=None, cwd=None, status=0):
        """As root, or as one who may believe so. Its own depmod would be that of /lib/modules."""
        believer = [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]
        trees = ["--dkmstree", self.place / "var/lib/dkms", "--sourcetree", self.place / "usr/src",
                 "--installtree", self.place / "lib/modules", "--no-depmod"]
        return self.run(*believer, self.program, *words, *trees, "-k", self.version, "--kernelsourcedir",
                        headers or self.headers, cwd=cwd, status=status)

    def field(self, module, name):
        return self.run("modinfo", "-F", name, module).strip()

    def depmod(self):
        self.run("depmod", "-b", self.place, self.version)

    def loads(self, name):
        """The file that modprobe would load for `name`."""
        said = self.run("modprobe", "-d", self.place, "-S", self.version, "-C", self.place / "tmp", "--show-depends",
                        name)
        return said.split()[-1]
