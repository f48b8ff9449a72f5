#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit-s: 400
"""The link fails in every way a link fails, with both hosts alive: one copy speaks, no client loses anything,
and a primary that was cut off learns that its copy is stale."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checks import Pair, check_client, rss_kib  # noqa: E402
from rig import wait_for  # noqa: E402
import tap  # noqa: E402


def taken_over_and_fenced(pair, break_link):
    """The fault lasts until B runs the VM; when it is over, A has to find out."""
    client = pair.client(clients=4)
    pair.wait_epochs(20)
    break_link(pair.proxy)
    pair.wait_state(pair.b, "active")
    pair.check_silent_at_a()
    time.sleep(0.3)  # B speaks, A would too if it could
    pair.check_silent_at_a()
    pair.proxy.heal()
    pair.proxy.cut()  # what hangs on the old path
    pair.wait_gone_at_a()
    assert pair.said(pair.a, "fenced"), pair.a.events()
    check_client(client)
    assert pair.check_one_voice(), "the copy at B never spoke"
    pair.check_image("B")


def test_cut_hold_backup():
    with Pair(hold="backup") as pair:
        taken_over_and_fenced(pair, lambda proxy: proxy.unplug())


def test_cut_hold_primary():
    with Pair(hold="primary") as pair:
        taken_over_and_fenced(pair, lambda proxy: proxy.unplug(reset=True))


def test_half_open_primary_not_heard():
    with Pair(hold="primary") as pair:
        taken_over_and_fenced(pair, lambda proxy: proxy.half_open("up"))


def test_half_open_primary_deaf():
    """B hears A and grants leases that A never gets: A stops the VM, then gives the link up, and B takes over."""
    with Pair(hold="backup", a_conf={"detector_ceiling_ms": 4000}) as pair:
        taken_over_and_fenced(pair, lambda proxy: proxy.half_open("down"))


def test_silent_peer():
    """Nothing moves, and no connection ends: the worst a network can do."""
    with Pair(hold="backup") as pair:
        taken_over_and_fenced(pair, lambda proxy: proxy.freeze())


def test_frozen_then_thawed():
    """What was stuck in the network arrives after B took over: A must not act on any of it."""
    with Pair(hold="primary", a_conf={"detector_ceiling_ms": 20000}) as pair:
        client = pair.client(clients=4)
        pair.wait_epochs(20)
        pair.proxy.freeze()
        pair.wait_state(pair.b, "active")
        pair.proxy.thaw()
        pair.wait_gone_at_a()
        check_client(client)
        pair.check_one_voice()
        pair.check_image("B")


def test_welcome_lost():
    """HELLO arrives, WELCOME does not: B has given up the old epoch, A may not run. When the link is whole the
    VM goes on at A."""
    with Pair(hold="backup", a_conf={"detector_ceiling_ms": 4000, "welcome_timeout_ms": 2000}) as pair:
        client = pair.client(clients=2)
        pair.wait_epochs(20)
        before = pair.generation()
        pair.proxy.drop("down")
        wait_for("B accepts a new session", lambda: pair.at_b().get("generation", 0) > before)
        pair.wait_state(pair.a, "blocked")  # the lease was for the old epoch, and is over at last
        pair.check_silent_at_a()
        time.sleep(0.5)
        pair.check_silent_at_a()
        assert not pair.at_a()["protected"]
        assert "lease-lost" in pair.causes(), pair.at_a()
        pair.proxy.heal()
        pair.proxy.cut()
        pair.wait_protected(above=before)
        assert not pair.failed_over()
        check_client(client)
        pair.check_one_voice()


def test_deaf_for_a_moment():
    """Longer than the lease, but B hears A all the time: A stops the VM, and goes on when the answers come."""
    with Pair(hold="backup", a_conf={"detector_ceiling_ms": 20000}) as pair:
        client = pair.client(clients=4)
        pair.wait_epochs(20)
        before = pair.generation()
        pair.proxy.freeze("down")
        pair.wait_state(pair.a, "blocked")
        assert "lease-lost" in pair.causes(), pair.at_a()
        pair.check_silent_at_a()
        pair.proxy.thaw()
        pair.wait_protected()
        pair.wait_epochs(20)
        check_client(client)
        assert pair.generation() == before, pair.a.events()
        assert not pair.failed_over()


def test_hiccups():
    """Interruptions well below the lease: no failover, no new first copy."""
    with Pair(hold="backup") as pair:
        client = pair.client(clients=4)
        pair.wait_epochs(20)
        before = pair.generation()
        for _ in range(4):
            pair.proxy.freeze()
            time.sleep(0.3)
            pair.proxy.thaw()
            pair.wait_epochs(5)
        check_client(client)
        assert pair.generation() == before and pair.sessions() == 1, pair.a.events()
        assert not pair.failed_over()
        pair.check_one_voice()


def test_long_link():
    """A tenth of a second each way: several epochs are in flight, and nothing is missed but time."""
    with Pair(hold="backup") as pair:
        client = pair.client(clients=2, retry_ms=1000)
        before = pair.generation()
        pair.proxy.delay(0.1)
        wait_for("an epoch is sent before the one before it is sealed", lambda: pair.at_a()["inflight"] > 1)
        check_client(client)
        pair.proxy.heal()
        assert pair.generation() == before and not pair.failed_over(), pair.a.events()


def test_one_octet_at_a_time():
    """Each read returns one octet: every record boundary is met at every place."""
    detector = {"detector_floor_ms": 3000, "detector_ceiling_ms": 8000}
    with Pair({"pattern_rate": 100}, a_conf=detector, b_conf=detector, hold="backup") as pair:
        client = pair.client(clients=1, interval_ms=50)
        before = pair.generation()
        pair.proxy.slow(1, 0.0)
        time.sleep(4)
        pair.proxy.heal()
        check_client(client)
        pair.wait_protected()
        assert pair.generation() == before, pair.a.events()
        assert not pair.failed_over()


def test_slow_link():
    """200 KB/s and a guest that dirties 4 MB/s: epochs stretch, memory does not grow, nobody fails over. The lease is
    longer than the network's own buffers take to drain, as it has to be on any link."""
    vm_opts = {"dirty_rate": 1000, "dirty_span_mb": 8, "content": "random"}
    detector = {"detector_floor_ms": 4000, "detector_ceiling_ms": 8000}
    with Pair(vm_opts, a_conf=detector, b_conf=detector, hold="backup") as pair:
        client = pair.client(clients=2, retry_ms=1000, timeout_ms=60000)
        pair.wait_epochs(5)  # which is much for a machine that is slow itself
        before, start = pair.generation(), pair.at_a()
        pids = [pair.a.child_pid(pair.vm.uuid), pair.b.child_pid(pair.vm.uuid)]
        pair.proxy.slow(4096, 0.02)
        time.sleep(2)
        early = [rss_kib(pid) for pid in pids]
        time.sleep(5)
        assert not pair.failed_over(), pair.b.events()
        late = [rss_kib(pid) for pid in pids]
        # An epoch takes seconds here, and its missed deadline counts once.
        wait_for("epochs are sealed, and late", lambda: all(
            pair.at_a()[what] > start[what] for what in ("missed_deadlines", "epochs_sealed")), 60)
        # What is on its way when the link becomes slow may cost the lease once, but not for long.
        wait_for("the guest runs on the slow link", lambda: pair.at_a()["state"] != "blocked" and
                 pair.info("A")["running"])
        for old, new in zip(early, late):
            assert new < old + 32 * 1024, f"memory grows: {early} KiB, then {late} KiB"
        pair.proxy.heal()
        pair.wait_protected()
        assert pair.generation() == before, pair.a.events()
        check_client(client)
        pair.check_image("A")


if __name__ == "__main__":
    sys.exit(tap.run([(n[5:].replace("_", " "), f) for n, f in sorted(globals().items()) if n.startswith("test_")]))
