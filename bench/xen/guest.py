# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest that is measured, and what it does meanwhile."""

import re
import socket
import time
from dataclasses import dataclass

from lablib.layout import DIRTIER_PORT, ECHO_PORT, GAP_PORT, GUEST_IP, LabError

ANSWER_LIMIT_S, CONNECT_LIMIT_S, POLL_S = 300, 60, 0.3
GUEST = {"pattern_rate": 0}
# In plain emulation: on hardware a look at the TSC does not leave the guest. Under Xen on an emulated CPU, which does not
# promise that its TSC is constant, each one would.
PLAIN_GUEST = GUEST | {"tsc": "native"}
GAP_US = 500    # what interrupts of the guest's own need is less


@dataclass(frozen=True)
class Workload:
    name: str
    pages_per_s: int = 0
    requests_per_s: int = 0


IDLE = Workload("idle")
WORKLOADS = [IDLE, Workload("dirty 1 MB/s", 256), Workload("dirty 4 MB/s", 1024),
             Workload("dirty 16 MB/s", 4096), Workload("echo", requests_per_s=200)]


def insist(attempt):
    """What it returns. A service may be up a little later than the guest, and a guest that is stopped for most of the time
    may take a call only after the laboratory has hung up."""
    deadline = time.monotonic() + CONNECT_LIMIT_S
    while True:
        try:
            return attempt()
        except LabError:
            if time.monotonic() > deadline:
                raise
        time.sleep(POLL_S)


def connect(lab, port):
    sock = lab.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(ANSWER_LIMIT_S)
    try:
        sock.connect((GUEST_IP, port))
    except OSError as error:
        sock.close()
        raise LabError(f"the guest's port {port}: {error}") from None
    return sock


def connected(lab, port):
    return insist(lambda: connect(lab, port))


def ask(lab, port, line):
    """A line to a service of the guest, and its answer."""
    with connected(lab, port) as sock:
        try:
            sock.sendall(f"{line}\n".encode())
            parts = []
            while part := sock.recv(65536):
                parts.append(part)
        except OSError as error:
            raise LabError(f"the guest's port {port}: {error}") from None
    return b"".join(parts).decode()


DIRTIER = {"rate": 0}


def set_dirtier(lab, pages_per_s):
    """It goes on until it is set anew."""
    if DIRTIER["rate"] != pages_per_s:
        ask(lab, DIRTIER_PORT, pages_per_s)
    DIRTIER["rate"] = pages_per_s


def take_gaps(lab, threshold_us=GAP_US):
    """(seconds, microseconds of each gap) since the last time; it goes on with this threshold, 0: it rests."""
    span, *gaps = [float(word) for word in ask(lab, GAP_PORT, threshold_us).split()]
    return span / 1e6, gaps


DRIVER = "/sys/module/remus_suspend/parameters"
DRIVER_PARTS = ("wake", "drain", "rendezvous")


def driver_counters(lab):
    """What the driver has counted so far; None: the guest has none."""
    command = f"cd {DRIVER} && grep . checkpoints {' '.join(part + '_ns' for part in DRIVER_PARTS)}"
    status, text = insist(lambda: lab.run_guest(command, ANSWER_LIMIT_S))
    return {name: int(value) for name, value in re.findall(r"(\w+):(\d+)", text)} if status == 0 else None


def driver_parts(before, after):
    """Microseconds of a checkpoint, on average."""
    count = after["checkpoints"] - before["checkpoints"] if before else 0
    return {part: (after[f"{part}_ns"] - before[f"{part}_ns"]) / count / 1000 for part in DRIVER_PARTS} if count else None


ASKER_IP, ASKER_SPACE = "10.77.0.30", "asker"
# dom0 itself cannot be the client: frames that its bridge sends are not those that it receives.
ASKER_NETWORK = f"""
/bin/ip netns add {ASKER_SPACE} && /bin/ip link add ask0 type veth peer name ask1 &&
/bin/ip link set ask1 netns {ASKER_SPACE} && /bin/ip link set ask0 master xenbr0 up &&
/bin/ip -n {ASKER_SPACE} link set ask1 up && /bin/ip -n {ASKER_SPACE} address add {ASKER_IP}/24 dev ask1"""


def asker(requests_per_s):
    """For the backup's dom0, whose clock goes like the primary's: the echo service is asked at a fixed rate."""
    return f"/bin/ip netns exec {ASKER_SPACE} asker {GUEST_IP} {ECHO_PORT} {requests_per_s}"
