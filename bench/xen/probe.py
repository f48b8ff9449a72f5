# SPDX-License-Identifier: GPL-2.0-or-later
"""Epochs of a guest as its host's kernel sees them, the same way for whoever makes them.

Uprobes on Xen's libraries in dom0: the request to suspend, the reset of the dirty log, the read of the
CPU state, the resume. Nothing of the programs that are measured is changed, and nothing is asked of them.
"""

import re
import subprocess
from dataclasses import dataclass

from lablib.layout import LabError

TRACE = "/sys/kernel/tracing"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
CLEAN = 11   # XEN_DOMCTL_SHADOW_OP_CLEAN
RESUME, CONTEXT = 27, 33    # XEN_DOMCTL_resumedomain, XEN_DOMCTL_gethvmcontext: asked for without libxc's functions
BUFFER_KB = 8192
# event: kind, library, function, arguments (in the registers of the call)
EVENTS = {"ask": ("p", "libxenstore.so.4", "xs_write", "path=+0(%dx):string value=+0(%cx):string"),
          "notify": ("p", "libxenevtchn.so.1", "xenevtchn_notify", ""),
          "log": ("p", "libxenctrl.so.4.17", "xc_logdirty_control", "op=%dx:u32"),
          "context": ("p", "libxenctrl.so.4.17", "xc_domain_hvm_getcontext", "size=%cx:u32"),
          "domctl": ("p", "libxenctrl.so.4.17", "xc_domctl", "cmd=+0(%si):u32"),
          "domctl_done": ("r", "libxenctrl.so.4.17", "xc_domctl", ""),
          "resume": ("p", "libxenguest.so.4.17", "xc_domain_resume", "plain=%dx:u32"),
          "resumed": ("r", "libxenguest.so.4.17", "xc_domain_resume", "")}
ENDS = {"resume": "resumed", "domctl": "domctl_done"}
LINE = re.compile(r"(?P<time>\d+\.\d+): (?P<name>\w+): \(.*?\)(?P<rest>.*)$")


@dataclass
class Epoch:
    """Seconds of the host's clock."""
    asked: float
    logged: float      # the log is reset: it stands still since a moment before
    state: float       # all pages are copied or sent
    resuming: float
    resumed: float

    def pause_us(self):
        return (self.resumed - self.asked) * 1e6

    def wait_us(self):
        return (self.logged - self.asked) * 1e6

    def own_us(self):
        return (self.resumed - self.logged) * 1e6


def offset(library, function):
    listed = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True,
                            check=True, timeout=20).stdout
    found = re.search(rf"^(\w+) T {function}@@", listed, re.MULTILINE)
    if not found:
        raise LabError(f"{library} has no function {function}")
    return int(found.group(1), 16)


def definitions(root):
    """In the syntax of uprobe_events. Text is mapped at its file offset in these libraries."""
    return "".join(f"{kind}:remus/{name} /{LIBRARIES}/{library}:"
                   f"0x{offset(root / LIBRARIES / library, function):x} {arguments}\n"
                   for name, (kind, library, function, arguments) in EVENTS.items())


def install(lab, host, driver=False):
    """driver: the guest is asked through an event channel."""
    text = definitions(lab.machine(host).build.root.path)
    status, said = lab.run(host, f"""
        [ -e {TRACE}/trace ] || mount -t tracefs none {TRACE}
        echo 0 >{TRACE}/tracing_on
        [ -d {TRACE}/events/remus ] || printf %s '{text}' >{TRACE}/uprobe_events
        echo mono >{TRACE}/trace_clock && echo {BUFFER_KB} >{TRACE}/buffer_size_kb &&
        echo 'comm != "xenstored" && comm != "xenconsoled"' >{TRACE}/events/remus/notify/filter &&
        echo 1 >{TRACE}/events/remus/enable && echo {int(driver)} >{TRACE}/events/remus/notify/enable""")
    if status != 0:
        raise LabError(f"host {host}: no probes: {said}")


START = f"echo >{TRACE}/trace; echo 1 >{TRACE}/tracing_on"
STOP = f"echo 0 >{TRACE}/tracing_on; cat {TRACE}/trace"


def is_request(name, rest):
    return name == "notify" or (name == "ask" and "/control/shutdown" in rest and 'value="suspend"' in rest)


def is_context(name, rest):
    return name == "context" and "size=0" not in rest or name == "domctl" and f"cmd={CONTEXT}" in rest


def is_resume(name, rest):
    return name == "resume" or name == "domctl" and f"cmd={RESUME}" in rest


def epochs(text):
    """Complete ones, in order, of what STOP printed."""
    found, now, end = [], {}, None
    for line in text.splitlines():
        match = LINE.search(line)
        if not match:
            continue
        time, name, rest = float(match["time"]), match["name"], match["rest"]
        if is_request(name, rest):
            now = {"asked": time}
        elif name == "log" and f"op={CLEAN}" in rest:
            now.setdefault("logged", time)
        elif is_context(name, rest):
            now["state"] = time
        elif is_resume(name, rest) and "resuming" not in now:    # libxc's function makes the hypercall as well
            now["resuming"], end = time, ENDS[name]
        elif name == end and "resuming" in now:
            if len(now) == 4:
                found.append(Epoch(resumed=time, **now))
            now = {}
    return found
