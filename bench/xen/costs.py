# SPDX-License-Identifier: GPL-2.0-or-later
"""What an epoch costs, in deterministic emulation (`lab up --icount`).

Time there counts executed instructions, and an idle host's clock jumps to its next timer. So that neither
host's clock runs away nothing may be idle: the gap detector keeps the guest's CPU busy, behind everything
else, and a loop does the same on the backup, whose clock goes up to three times as fast all the same. Sockets are given room for several epochs: what is measured is
work on the primary, not how fast an emulated backup happens to be.
"""

import re

import guest
import probe
from lablib.layout import HOSTS, LabError
from stats import spread

WINDOW_S = {25: 1, 50: 1.2, 100: 1.6}
SETTLE_S = 0.2
BARE_FIRST = 2      # the first see pages that were dirty before
LIMIT_S = 580       # of a window, in real time
BUSY, ASKER_PID, ASKED = "/run/busy.pid", "/run/asker.pid", "/run/asked"
WIDE = "16777216"
CONSOLE = "/var/log/xen/console/guest-guest.log"
# detector and lease as patient as with tests: what is not measured here must not disturb
TIMING = "tested"


def must_run(lab, host, command):
    status, text = lab.run(host, command, limit_s=LIMIT_S)
    if status != 0:
        raise LabError(f"host {host}: {command}: status {status}: {text}")
    return text


def prepare(lab, driver=False):
    for host in HOSTS:
        must_run(lab, host, f"sysctl -w net.core.wmem_max={WIDE} net.core.rmem_max={WIDE} "
                            f"net.ipv4.tcp_wmem='4096 {WIDE} {WIDE}' net.ipv4.tcp_rmem='4096 {WIDE} {WIDE}'")
    must_run(lab, "B", f"busy >/dev/null 2>&1 & echo $! >{BUSY}")
    must_run(lab, "B", guest.ASKER_NETWORK)
    guest.take_gaps(lab)
    probe.install(lab, "A", driver)


def console(lab):
    """Last words of the guest."""
    return lab.run("A", f"tail -12 {CONSOLE}")[1] if lab.machine("A").alive() else ""


COUNTERS = """cut -d' ' -f1 /proc/uptime; cat /sys/class/net/repl/statistics/[rt]x_bytes
xl list | sed -n 's/^Domain-0 .* //p'"""


def counters(words):
    uptime, received, sent, cpu = (float(word) for word in words)
    return {"s": uptime, "sent": sent, "received": received, "cpu_s": cpu}


def window(lab, seconds):
    """(differences of the counters, epochs) of that long on A's clock."""
    text = must_run(lab, "A", f"{COUNTERS}\n{probe.START}\nsleep {seconds}\n{COUNTERS}\n{probe.STOP}")
    numbers = re.findall(r"^[\d.]+$", text, re.MULTILINE)[:8]
    before, after = counters(numbers[:4]), counters(numbers[4:])
    return {key: after[key] - before[key] for key in before}, probe.epochs(text)


def uptime(lab):
    return float(must_run(lab, "A", "cut -d' ' -f1 /proc/uptime"))


class Working:
    """A workload at work. Of the echo service afterwards: `answers`, the share that came in time, and `asked_per_s`,
    by the primary's clock; the rate that was told to the asker is one by the backup's."""

    def __init__(self, lab, workload):
        self.lab, self.workload, self.answers, self.asked_per_s, self.begun = lab, workload, None, None, None

    def __enter__(self):
        guest.set_dirtier(self.lab, self.workload.pages_per_s)
        if self.workload.requests_per_s:
            must_run(self.lab, "B", f"{guest.asker(self.workload.requests_per_s)} >{ASKED} 2>&1 & "
                                    f"echo $! >{ASKER_PID}")
            self.begun = uptime(self.lab)
        must_run(self.lab, "A", f"sleep {SETTLE_S}")
        return self

    def __exit__(self, *_):
        if self.workload.requests_per_s:
            said = must_run(self.lab, "B", f"kill $(cat {ASKER_PID}); sleep 0.1; cat {ASKED}")
            asked, answered = map(int, re.findall(r"=(\d+)", said))
            self.answers, self.asked_per_s = answered / asked, asked / (uptime(self.lab) - self.begun)


def gaps_of_epochs(span_s, gaps, epochs_per_s):
    """As many of the longest gaps as there were epochs: others are programs that ran before the detector."""
    count = round(span_s * epochs_per_s)
    return sorted(gaps, reverse=True)[:count] if count else []


def measure(lab, side, epoch_ms, workload):
    """One line of results."""
    with Working(lab, workload) as work:
        driver = guest.driver_counters(lab)
        guest.take_gaps(lab)
        before = side.account()
        spent, epochs = window(lab, WINDOW_S.get(epoch_ms, 3))
        span_s, gaps = guest.take_gaps(lab)
        account = side.account()
        driver = guest.driver_parts(driver, guest.driver_counters(lab))
    if len(epochs) < 2:
        raise LabError(f"{len(epochs)} epochs in {spent['s']:.1f} s: {side.said()}")
    rate = (len(epochs) - 1) / (epochs[-1].resumed - epochs[0].resumed)
    return {"epochs": len(epochs), "epochs_per_s": rate, "epochs_per_s_asked": 1000 / epoch_ms,
            "pause_us": spread([e.pause_us() for e in epochs]), "wait_us": spread([e.wait_us() for e in epochs]),
            "own_us": spread([e.own_us() for e in epochs]),
            "parts_us": {"log_and_copy": spread([(e.state - e.logged) * 1e6 for e in epochs]),
                         "state": spread([(e.resuming - e.state) * 1e6 for e in epochs]),
                         "resume": spread([(e.resumed - e.resuming) * 1e6 for e in epochs])},
            "gap_us": spread(gaps_of_epochs(span_s, gaps, rate)), "stolen": sum(gaps) / span_s / 1e6,
            "bytes_per_epoch": spent["sent"] / spent["s"] / rate, "bytes_back_per_epoch": spent["received"] / spent["s"] / rate,
            "dom0_cpu": spent["cpu_s"] / spent["s"],
            "pages": side.pages_between(before, account), "answers": work.answers, "asked_per_s": work.asked_per_s,
            "driver_us": driver, "account": account}


def bare(lab, epoch_ms, workload):
    """The same guest, only paused: no help of its own, no page copied, nothing sent."""
    count = round(WINDOW_S.get(epoch_ms, 3) * 1000 / epoch_ms)
    with Working(lab, workload) as work:
        text = must_run(lab, "A", f"bare_pause $(xl domid guest) {count + BARE_FIRST} {epoch_ms}")
    lines = [dict(re.findall(r"(\w+)=(\d+)", line)) for line in text.splitlines()][BARE_FIRST:]

    if not all(int(line["pages"]) for line in lines):
        raise LabError("the guest does not run")

    def part(name):
        return spread([float(line[name]) for line in lines])
    return {"epochs": len(lines), "epochs_per_s_asked": 1000 / epoch_ms, "pause_us": part("pause"),
            "wait_us": part("stop"), "own_us": spread([float(line["pause"]) - float(line["stop"]) for line in lines]),
            "parts_us": {"log": part("log"), "state": part("state"), "resume": part("resume")},
            "pages": sum(float(line["pages"]) for line in lines) / len(lines), "answers": work.answers,
            "asked_per_s": work.asked_per_s}
