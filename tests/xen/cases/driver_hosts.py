# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's suspend driver from one end of its life to the other, in guests of other kernels and of several CPUs:
checkpoints, a move by xl to another host, protection back to the first one, and the death of its host meanwhile.

The engine replicates no disk that is written: theirs is only read, and is the same on both hosts.
"""

import os

from cases import driver_moves
from lablib import kernels
from lablib.fixture import at_random, until
from lablib.layout import ECHO_PORT, GUEST_IP
from lablib.protect import Protection

CHECKPOINTS, SNAPSHOTS, RESTORES = 40, 3, 2
RANDOM_S = 4
MEMORY_MB = 192
DISK_MB = 4
FLOWS = 4  # for each queue; which of them one takes is chance
QUEUES = ("/sys/class/net/eth0/queues/rx-*", "/sys/block/xvda/mq/*")
# Where instructions are counted, the clock of an idle host is as fast as ours, that of one whose CPUs are busy many
# times slower. Elsewhere, on a busy machine, a guest that is stopped all the time has nothing left for whoever asks.
SLOW = {"detector_floor_ms": 50_000, "detector_ceiling_ms": 60_000}
COUNTED_EPOCH_MS, EPOCH_MS = 300, 1000
EPOCHS_LIMIT_S = 1800


def interrupts(guest):
    """Of each queue, by number and name, how many there have been; the network's have two each."""
    lines = [line.split() for line in guest.run("cat /proc/interrupts").splitlines()]
    return {words[0] + words[-1]: sum(map(int, words[1:1 + guest.checks.threads])) for words in lines
            if words[-1] == "blkif" or words[-1].startswith("vif0-q")}


def use_queues(guest):
    """From dom0, in many flows: what the outer machine sends comes through one queue of dom0's, and stays in one."""
    flows = " & ".join([f"echo {ECHO_PORT} | socat -t 1 - UDP4:{GUEST_IP}:{ECHO_PORT}"] * FLOWS * guest.checks.threads)
    guest.must_run(guest.host, f"{flows} & wait")
    for cpu in range(guest.checks.threads):
        guest.run(f"taskset -c {cpu} dd if=/dev/xvda of=/dev/null bs=4k count=1 iflag=direct")


def check_queues(guest):
    """Each CPU has a queue of each device, and each of them carries something."""
    for queues in QUEUES:
        assert int(guest.run(f"ls -d {queues} | wc -l")) == guest.checks.threads, "each CPU has a queue of each device"
    before = interrupts(guest)
    assert len(before) == 3 * guest.checks.threads, before

    def all_were_used():
        use_queues(guest)
        now = interrupts(guest)
        return all(now[queue] > before[queue] for queue in before)

    until("each queue is used", all_were_used, EPOCHS_LIMIT_S)


def checkpoints(guest):
    """Resumed either way."""
    for how in ("plain", "fast"):
        print(f"# at {guest.host}: {guest.suspender(CHECKPOINTS // 2, how)}", flush=True)
    print(f"# {guest.flood.goes_on()} octets echoed; {guest.checks.check()}", flush=True)
    check_queues(guest)


def protect(guest, engine, counted):
    engine.start(**(SLOW if counted else {}))
    engine.protect(COUNTED_EPOCH_MS if counted else EPOCH_MS, suspend="driver", limit_s=EPOCHS_LIMIT_S)
    assert engine.status(guest.host)["suspend"]["mode"] == "driver"
    before = guest.counter("checkpoints")
    until("it is suspended by its driver", lambda: guest.counter("checkpoints") > before, EPOCHS_LIMIT_S)


def power_cut(guest):
    at_random(RANDOM_S, f"{guest.host} loses its power")
    assert guest.lab.kill(guest.host)
    guest.host = guest.other()


def taken_over(guest, engine):
    engine.wait(guest.host, lambda status: status and status["state"] == "active", EPOCHS_LIMIT_S)
    guest.await_return()


def fixed_disk(scene):
    path = scene.directory / "fixed"
    path.write_bytes(os.urandom(DISK_MB << 20))
    return path


def life(scene, files=(), **settings):
    engine = Protection(scene.need(), primary="B", backup="A")
    guest = scene.boot(engine, [fixed_disk(scene), *files], disk="/tmp/fixed", access="ro", memory=MEMORY_MB, **settings)
    print(f"# {guest.run('uname -r; nproc')}".replace("\n", " "), flush=True)
    first = guest.load(disk="fixed")
    checkpoints(guest)
    guest.migrate()
    checkpoints(guest)
    protect(guest, engine, scene.mode.icount)
    power_cut(guest)
    taken_over(guest, engine)
    assert guest.counter("restores") == 2
    checkpoints(guest)
    guest.checks.check_work(first)
    print(f"# {guest.unload()} octets echoed; late={guest.counter('late')} "
          f"rendezvous_max_ns={guest.counter('rendezvous_max_ns')}", flush=True)
    assert guest.counter("late") == guest.counter("abandoned") == 0


def snapshots(scene, vcpus):
    """Of hosts on whose CPUs a guest runs. They would not load if one of the CPUs were in it."""
    guest = scene.guest(vcpus=vcpus, memory=MEMORY_MB)
    first = guest.checks.check()
    for _ in range(SNAPSHOTS):
        scene.lab.snapshot("once-more", own=True)
        scene.lab.restore("once-more")
        print(f"# {guest.suspender(CHECKPOINTS)}", flush=True)
    guest.checks.check_work(first)


def of_kernel(flavour, backports):
    def case(scene):
        place = scene.directory / f"{flavour}-{backports}"
        kernels.make(place, flavour, backports, say=lambda text: print(f"# {text}", flush=True))
        life(scene, [place / kernels.KERNEL, place / kernels.MODULES],
             kernel=f"/tmp/{kernels.KERNEL}", overlay=f"/tmp/{kernels.MODULES}")

    return case


KERNELS = [(f"{flavour}{' of the backports' if backports else ''}: checkpoints, moved by xl, outlives its host",
            of_kernel(flavour, backports))
           for flavour, backports in (("cloud-amd64", False), ("amd64", True), ("cloud-amd64", True))]
CPUS = (2, 4)


def of_cpus(cpus):
    """For hosts of so many CPUs."""
    return [(f"{cpus} vCPUs: checkpoints, moved by xl, outlives its host", lambda scene: life(scene, vcpus=cpus)),
            (f"{cpus} vCPUs: hosts come back from snapshots", lambda scene: snapshots(scene, cpus)),
            (f"{cpus} vCPUs: {RESTORES} times restored under load, carried to the other host and there",
             lambda scene: driver_moves.restored(scene, RESTORES, CHECKPOINTS, vcpus=cpus, memory=MEMORY_MB))]
