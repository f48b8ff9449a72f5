# SPDX-License-Identifier: GPL-2.0-or-later
"""One emulated Xen host: its emulator, monitor, console and snapshots."""

import os
import random
import re
import shlex
import signal
import subprocess
import time

from lablib import procs
from lablib.layout import LINKS, NICS, LabError, mac, tap_name
from lablib.qmp import Monitor

CPU = "max,+svm,+npt,-smap,-smep,-la57,-pks,-pku,-rdtscp"
XEN_OPTIONS = ("loglvl=warning guest_loglvl=none com1=115200,8n1 console=com1 sched=credit "
               "spec-ctrl=eager-fpu dom0_mem={dom0}M,max:{dom0}M")
PLACE = re.compile(r"\b[RE]IP=([0-9a-f]+)", re.IGNORECASE)
IN_XEN = re.compile(r"ffff82[d-f]", re.IGNORECASE)
MONITOR_LIMIT_S, STOP_LIMIT_S, SAVE_LIMIT_S, LOAD_LIMIT_S = 30, 30, 180, 180
STOP_RETRY_S, FROZEN_LIMIT_S = 0.02, 3


class Mode:
    """What the emulators of a laboratory have in common.

    Without counted instructions each emulated CPU is a thread, and guests of several CPUs die there of
    faults that they did not make. Where they are counted, the clock of an idle host jumps to its next timer: minutes
    for it are a moment for a busy one. `paced`: it waits for that timer, as hardware does."""

    def __init__(self, memory_mb=1536, icount=False, cpus=1, paced=False):
        if cpus > 1 and not icount:
            raise LabError("hosts of several CPUs need --icount: in plain emulation their guests crash at random")
        if paced and not icount:
            raise LabError("--paced is for hosts that count instructions: --icount")
        self.memory_mb, self.icount, self.cpus, self.paced = memory_mb, icount, cpus, paced

    def name(self):
        return (f"{self.memory_mb}m" + ("-icount" if self.icount else "") + ("-paced" if self.paced else "")
                + (f"-{self.cpus}cpus" if self.cpus != 1 else ""))


class Machine:
    def __init__(self, name, directory, build, mode):
        self.name, self.build, self.mode = name, build, mode
        self.directory = directory
        self.pidfile, self.log = self.path("pid"), self.path("log")
        self.lacking = ()   # features that its CPU has not got, by QEMU's names

    def path(self, kind):
        return self.directory / f"{self.name}.{kind}"

    def alive(self):
        handle = procs.find(self.pidfile)
        if handle:
            handle.close()
        return handle is not None

    def arguments(self):
        """The emulator's command line, but for paths and the start of a load."""
        count = ["-icount", f"shift=1,sleep={'on' if self.mode.paced else 'off'}"] if self.mode.icount else []
        cpu = ",-".join((CPU, *self.lacking))
        argv = ["-accel", "tcg", *count, "-cpu", cpu, "-smp", str(self.mode.cpus), "-m", str(self.mode.memory_mb),
                "-nodefaults", "-display", "none", "-no-reboot",
                "-append", XEN_OPTIONS.format(dom0=self.mode.memory_mb // 2)]
        for number, nic in enumerate(NICS):
            argv += ["-netdev", f"tap,id=n{number},ifname={tap_name(self.name, nic)},script=no,downscript=no",
                     "-device", f"virtio-net-pci,netdev=n{number},mac={mac(self.name, nic)},romfile="]
        return argv

    def files(self):
        console = f"socket,id=console,path={self.path('console')},server=on,wait=off,logfile={self.log}"
        share = self.build.root.path / "usr/share"
        return ["-L", share / "qemu", "-L", share / "seabios", "-name", self.pidfile,
                "-qmp", f"unix:{self.path('qmp')},server=on,wait=off",
                "-chardev", console, "-serial", "chardev:console", "-kernel", self.build.xen,
                "-initrd", f"{self.build.kernel} console=hvc0 quiet rdinit=/init host={self.name},"
                           f"{self.build.dom0}"]

    def start(self, snapshot=None):
        """The caller is inside the network namespace."""
        argv = [*self.build.root.argv(self.build.emulator), *self.files(), *self.arguments()]
        files = [open(snapshot, "rb")] if snapshot else []
        for file in files:
            argv += ["-S", "-incoming", f"fd:{file.fileno()}"]
        modules = self.build.root.path / "usr/lib/x86_64-linux-gnu/qemu"
        self.path("qmp").unlink(missing_ok=True)
        with open(self.path("emulator"), "wb") as said:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                       env=dict(os.environ, QEMU_MODULE_DIR=str(modules)),
                                       start_new_session=True, pass_fds=[file.fileno() for file in files])
        for file in files:
            file.close()
        procs.write_pid(self.pidfile, process.pid)
        self.wait_monitor(process)

    def wait_monitor(self, process):
        deadline = time.monotonic() + MONITOR_LIMIT_S
        while True:
            try:
                return self.monitor().close()
            except LabError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise LabError(f"host {self.name}: the emulator did not start: {self.said()}") from None
            time.sleep(0.05)

    def monitor(self, **options):
        return Monitor(self.path("qmp"), **options)

    def condition(self):
        """For people: QEMU's word for it, or "frozen"."""
        try:
            with self.monitor(limit_s=FROZEN_LIMIT_S) as monitor:
                return monitor.status()
        except LabError:
            return "frozen"

    def said(self):
        """What the emulator had to say, for an error message."""
        return self.path("emulator").read_text(errors="replace").strip()

    def finish_load(self):
        try:
            with self.monitor() as monitor:
                monitor.wait(monitor.status, ("paused", "running"), LOAD_LIMIT_S)
        except LabError as error:
            raise LabError(f"host {self.name}: the snapshot does not load: {self.said() or error}") from None

    def stop(self):
        """At an instant that can be saved: QEMU 7.2 does not load a CPU that was inside a guest.

        Xen itself runs at addresses that no guest of ours uses; a CPU without work is there.
        """
        deadline = time.monotonic() + STOP_LIMIT_S
        with self.monitor() as monitor:
            while True:
                monitor.call("stop")
                registers = monitor.call("human-monitor-command", **{"command-line": "info registers -a"})
                places = PLACE.findall(registers)
                if len(places) == self.mode.cpus and all(map(IN_XEN.match, places)):
                    return
                monitor.call("cont")
                if time.monotonic() > deadline:
                    raise LabError(f"host {self.name}: its guest is too busy for a snapshot")
                time.sleep(random.uniform(0, STOP_RETRY_S))

    def go_on(self):
        with self.monitor() as monitor:
            monitor.call("cont")

    def save(self, path):
        with self.monitor() as monitor:
            monitor.save(f"exec:cat > {shlex.quote(str(path))}", SAVE_LIMIT_S)

    def set_link(self, link, up):
        with self.monitor() as monitor:
            monitor.call("set_link", name=f"n{LINKS.index(link)}", up=up)

    def kill(self):
        """A power cut. False: it was off already."""
        return procs.end(self.pidfile, signal.SIGKILL)
