#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How the guest's suspend driver comes into a system: `make install`, DKMS, and what loads it at boot. Everything is
below a directory of the test's; the kernel is the laboratory's, no host is booted."""

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]

import tap  # noqa: E402
from lablib import cache, dkms, guest_driver, packages  # noqa: E402
from lablib.layout import Unavailable  # noqa: E402

NAME, MODULE, BOOT = "remus-suspend", "remus_suspend.ko", "etc/modules-load.d/remus-suspend.conf"
EXCLUDED = 77   # dkms: this kernel is none of those that dkms.conf wants
RT = "CONFIG_KPROBES=y\nCONFIG_KALLSYMS_ALL=y\nCONFIG_PREEMPT_RT=y\n"


def debian():
    """The unpacked packages and dkms."""
    if os.environ.get("REMUS_NO_LAB"):
        raise tap.SkipTest(os.environ["REMUS_NO_LAB"])
    if os.uname().machine != "x86_64":
        raise tap.SkipTest("not an x86-64 machine")
    try:
        with cache.held():
            return packages.ensure(print_nothing), dkms.ensure(print_nothing)
    except Unavailable as error:
        raise tap.SkipTest(str(error)) from None


def print_nothing(_text):
    pass


@contextlib.contextmanager
def system():
    root, program = debian()
    if guest_driver.compiler(root.path, root.kernel_version()) == "gcc":
        raise tap.SkipTest("the compiler that Debian built its kernel with is not here")
    with tempfile.TemporaryDirectory(prefix="driver-") as place:
        yield dkms.System(Path(place) / "system", root, program)


def sources(host):
    """A folder with what is in git; the driver's own may have been built in."""
    built = shutil.ignore_patterns("*.ko", "*.o", "*.mod", "*.mod.c", ".*.cmd", "Module.symvers", "modules.order")
    return Path(shutil.copytree(guest_driver.DRIVER, host.place.parent / "driver", ignore=built))


def files(place):
    return {str(path.relative_to(place)) for path in place.rglob("*") if not path.is_dir()}


def driver_version():
    """The folder's, by which DKMS calls it."""
    lines = (guest_driver.DRIVER / "dkms.conf").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)["PACKAGE_VERSION"].strip('"')


def check_module(host, module):
    assert host.field(module, "name") == "remus_suspend"
    assert host.field(module, "version") == driver_version()
    assert host.field(module, "vermagic").split()[0] == host.version
    assert host.field(module, "license") == "GPL" and host.field(module, "depends") == ""
    assert "rendezvous_limit_ms:" in host.field(module, "parm")


def check_boot(host, module):
    """systemd-modules-load hands each line of these files to libkmod, and so does modprobe."""
    host.depmod()
    names = (host.place / BOOT).read_text().split()
    assert [host.loads(name) for name in names] == [str(module)], names


def make_install():
    """With the headers of a kernel that is not the running one: the module belongs to that kernel's others."""
    with system() as host:
        make = ["make", "-C", sources(host), f"KDIR={host.headers}", f"DESTDIR={host.place}"]
        before, module = files(host.place), host.modules / "updates" / MODULE
        host.run(*make, "install")
        assert files(host.place) - before == {str(module.relative_to(host.place)), BOOT}, files(host.place)
        check_module(host, module)
        check_boot(host, module)
        host.run(*make, "uninstall")
        assert not module.exists() and not (host.place / BOOT).exists()


def by_dkms():
    """The commands of the driver's README, then what a new kernel's package does, then the end of it."""
    with system() as host:
        driver, known = sources(host), f"{NAME}/{driver_version()}"
        host.dkms("add", ".", cwd=driver)
        assert files(host.place / "usr/src") > {f"{NAME}-{driver_version()}/dkms.conf"}
        host.dkms("install", known)
        module = host.modules / "updates/dkms" / MODULE
        check_module(host, module)
        if shutil.which("openssl"):
            assert host.field(module, "signer") == "DKMS module signing key"
        host.run("install", "-D", "-m", "644", driver / f"{NAME}.conf", host.place / BOOT)
        check_boot(host, module)
        host.dkms("uninstall", known)
        assert not module.exists()
        host.dkms("autoinstall")
        assert module.exists() and "installed" in host.dkms("status", known)
        host.dkms("remove", known)
        assert not module.exists() and not files(host.place / "var/lib/dkms")


def not_for_every_kernel():
    """PREEMPT_RT: DKMS is told so before it would build, and fail."""
    with system() as host:
        host.dkms("add", ".", cwd=sources(host))
        realtime = host.place / "rt"
        realtime.mkdir()
        (realtime / ".config").write_text(RT)
        said = host.dkms("build", f"{NAME}/{driver_version()}", headers=realtime, status=EXCLUDED)
        assert "BUILD_EXCLUSIVE" in said, said


TESTS = [("make install, for the kernel whose headers it is given, and what loads it at boot", make_install),
         ("DKMS builds, installs, installs for a new kernel and removes it", by_dkms),
         ("DKMS leaves kernels alone that it is not for", not_for_every_kernel)]

if __name__ == "__main__":
    sys.exit(tap.run(TESTS))
