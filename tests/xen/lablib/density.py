# SPDX-License-Identifier: GPL-2.0-or-later
"""How much a guest does from one checkpoint to the next. One that is stopped nearly all of the time does nothing that
could suffer, and its self-checks are clean whatever the driver does. There is no dirty log: it alone takes most of what
an emulated CPU can do between two checkpoints, and is none of the driver's.
"""

import re

from lablib.driver_guest import PARAMETERS

# For each checkpoint, on average; stream and disk in octets.
LEAST = {"processes": 0.3, "stream": 300, "disk": 500}
PART, AIM, FIRST_REST_MS = 100, 2, 160
SAMPLES, OWN = "/tmp/samples", 2  # the latter: processes that one takes
SAMPLER = ("renice -n -15 $$; while [ ! -e /tmp/rest ] && sleep 1; do grep -h -e '^[0-9]*$' -e ^processes -e xvda "
           f"-e eth0 {PARAMETERS}/checkpoints /proc/stat /proc/diskstats /proc/net/dev >>{SAMPLES}; done")
SAMPLE = re.compile(r"^(?P<checkpoints>\d+)\nprocesses (?P<processes>\d+)\n"
                    r".* xvda \d+ \d+ (?P<read>\d+) \d+ \d+ \d+ (?P<written>\d+) .*\n *eth0: *(?P<stream>\d+) ", re.M)
SECTOR = 512
# On a busy machine a program of low priority may well wait for longer than the usual 21 s in the midst of reading what
# RCU guards. A kernel that is stuck is so for longer.
PATIENCE = "echo 120 >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout"


def closeness(work):
    """1: as much as LEAST; AIM: as much as it should be."""
    return min(work[kind] / work["checkpoints"] / LEAST[kind] for kind in LEAST)


class Density:
    """Of the checkpoints that it has a loaded guest make. Only what was done between the first and the last sample
    taken meanwhile is counted: a guest that nobody stops does in a second as much as in a hundred checkpoints."""

    def __init__(self, guest):
        self.guest, self.rest_ms, self.work = guest, FIRST_REST_MS, dict.fromkeys(["checkpoints", *LEAST], 0)
        guest.run(PATIENCE)
        guest.begin(SAMPLER)

    def samples(self):
        """Since this was last asked: the driver's checkpoints, and, since the guest was booted, processes, octets
        received from the network, octets read from the disk and written to it."""
        found = [{key: int(number) for key, number in match.groupdict().items()}
                 for match in SAMPLE.finditer(self.guest.run(f"cat {SAMPLES}; rm -f {SAMPLES}"))]
        return [each | {"disk": (each["read"] + each["written"]) * SECTOR} for each in found]

    def work_of(self, before, count):
        within = [each for each in self.samples() if before < each["checkpoints"] < before + count]
        work = {kind: within[-1][kind] - within[0][kind] if within else 0 for kind in LEAST}
        return work | {"checkpoints": count, "processes": max(work["processes"] - OWN * (len(within) - 1), 0)}

    def suspender(self, count, how="plain"):
        """Of each part what was done, and what the tool printed. How much a guest does in a given time depends on what
        the machine is busy with: one part's load says how long the guest may run between checkpoints of the next."""
        said = []
        for done in range(0, count, PART):
            before, number = self.guest.counter("checkpoints"), min(PART, count - done)
            printed = self.guest.suspender(number, how, round(self.rest_ms), "unlogged")
            work = self.work_of(before, number)
            said.append({"rest_ms": round(self.rest_ms)} | work | printed)
            self.rest_ms *= (AIM / max(closeness(work), AIM / 4)) ** 0.5
            self.work = {kind: self.work[kind] + work[kind] for kind in work}
        return said

    def require(self):
        means = {kind: round(self.work[kind] / self.work["checkpoints"], 2) for kind in LEAST}
        print(f"# for each of {self.work['checkpoints']} checkpoints: {means}", flush=True)
        assert closeness(self.work) >= 1, f"the load was thin: {means}, not {LEAST}"
