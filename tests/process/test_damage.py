#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit-s: 400
"""I5, the wire is hostile: damaged, cut and foreign bytes on the link and at the backup's port are refused with a
reason. They cost a session at most; never a wrong image, and never the VM."""
import os
import random
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checks import Pair, check_client, rss_kib  # noqa: E402
from rig import PATIENT, UNHURRIED, program, wait_for  # noqa: E402
import tap  # noqa: E402

RNG = random.Random(20)
MAGIC = 0x31534D52
HELLO, PAGES, EPOCH_END, ACK = 1, 3, 7, 66


def header(kind, length, crc=0, generation=1, sequence=0, magic=MAGIC, flags=0):
    return struct.pack("<IHHIIQQ", magic, kind, flags, length, crc, generation, sequence)


def one_offence(pair, offend):
    """A session ends, a new one is made, and what B then holds is right (verify_image compares all of it)."""
    before = pair.generation()
    offend(pair.proxy)
    pair.wait_protected(above=before)
    pair.wait_epochs(3)
    assert not pair.failed_over(), pair.b.events()
    assert not pair.said(pair.b, "replica-failed"), pair.b.events()


def finish(pair, client):
    check_client(client)
    pair.wait_runs()
    pair.rig.power_cut(pair.a, pair.vm)
    pair.wait_state(pair.b, "active")
    pair.check_image("B")


def test_flipped_bits_to_the_backup():
    with Pair({"dirty_rate": 300, "content": "random"}, b_conf=UNHURRIED, hold="backup") as pair:
        client = pair.client(clients=2)
        pair.wait_epochs(5)
        for after in (0, 17, 1000, 40001):
            one_offence(pair, lambda proxy, n=after: proxy.flip("up", n))
        assert pair.said(pair.a, "unprotected", "rejected"), "A never told why: %s" % pair.a.events()
        finish(pair, client)


def test_flipped_bits_to_the_primary():
    with Pair(hold="backup", b_conf=UNHURRIED) as pair:
        client = pair.client(clients=2)
        pair.wait_epochs(5)
        for after in (0, 13, 21, 100):
            one_offence(pair, lambda proxy, n=after: proxy.flip("down", n))
        assert pair.said(pair.a, "unprotected", "protocol"), "A never told why: %s" % pair.a.events()
        finish(pair, client)


def test_flips_all_the_time():
    """One bit in 2 MB: the first copy gets through now and then. The guest goes on whatever happens."""
    with Pair({"dirty_rate": 300, "content": "random"}, b_conf=UNHURRIED, hold="backup") as pair:
        client = pair.client(clients=2)
        pair.proxy.flip("up", 100000, every=2000003)
        time.sleep(4)
        wait_for("a session was lost", lambda: pair.sessions() > 1)
        pair.proxy.heal()
        pair.wait_protected()
        finish(pair, client)


def test_truncated_records():
    with Pair({"dirty_rate": 300, "content": "random"}, b_conf=UNHURRIED, hold="backup") as pair:
        client = pair.client(clients=2)
        for direction, after in (("up", 1), ("up", 33), ("up", 20000), ("down", 1), ("down", 33)):
            one_offence(pair, lambda proxy, d=direction, n=after: proxy.truncate(d, n))
        finish(pair, client)


def test_foreign_bytes_in_the_stream():
    foreign = [
        RNG.randbytes(4096),
        b"GET / HTTP/1.1\r\nHost: backup\r\n\r\n",
        header(PAGES, 0xFFFFFFFF),
        header(EPOCH_END, 64) + bytes(64),
        header(HELLO, 1 << 20),
        header(ACK, 20) + bytes(20),
        header(0x7FFF, 0),
    ]
    with Pair(hold="backup", b_conf=UNHURRIED) as pair:
        client = pair.client(clients=2)
        for n, data in enumerate(foreign):
            one_offence(pair, lambda proxy, d=data, way="down" if n % 2 else "up": proxy.inject(way, d))
        finish(pair, client)


# ---- strangers at the backup's port; the VM's own session is not touched ----

def dial(pair):
    host, port = pair.b.address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=10)


def throw(pair, data):
    """Sends `data` and reads what comes until the end of the connection."""
    with dial(pair) as s:
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while s.recv(4096):
                pass
        except OSError:
            pass


def hello_start(uuid, length=47, generation=99):
    """As much as backupd needs to see to tell which VM is meant: a HELLO up to its UUID, its CRC wrong."""
    return header(HELLO, length, crc=1, generation=generation) + struct.pack("<HHI", 1, 1, 3) + uuid


def undisturbed(pair, strangers):
    client = pair.client(clients=2)
    pair.wait_epochs(5)
    before = pair.generation()
    held = strangers()
    pair.wait_epochs(10)
    check_client(client)
    status = pair.at_a()
    assert status["state"] == "protected" and pair.generation() == before, status
    assert pair.sessions() == 1, pair.a.events()
    for s in held or []:
        s.close()


def test_strangers_with_garbage():
    def strangers():
        for data in (b"", b"\0", RNG.randbytes(56), RNG.randbytes(100000), b"\xff" * 4096,
                     header(HELLO, 0xFFFFFFFF) * 4, header(PAGES, 100) + bytes(100),
                     header(HELLO, 47, magic=0) + bytes(47)):
            throw(pair, data)

    with Pair(hold="backup", a_conf=PATIENT, b_conf=PATIENT) as pair:
        undisturbed(pair, strangers)


def test_strangers_that_name_the_vm():
    """A connection that begins like this VM's own is judged beside the session, not instead of it."""
    def strangers():
        uuid = bytes.fromhex(pair.vm.uuid.replace("-", ""))
        throw(pair, hello_start(uuid) + bytes(100))
        throw(pair, hello_start(uuid, length=0xFFFFFFFF))
        throw(pair, hello_start(uuid)[:56])
        half = dial(pair)
        half.sendall(hello_start(uuid)[:56])  # and not a byte more
        return [half]

    with Pair(hold="backup", a_conf=PATIENT, b_conf=PATIENT) as pair:
        undisturbed(pair, strangers)


def test_strangers_in_crowds():
    def strangers():
        crowd = []
        for n in range(150):
            s = dial(pair)
            if n % 2:
                s.sendall(header(HELLO, 47)[:20])
            crowd.append(s)
        return crowd

    with Pair(hold="backup", a_conf=PATIENT, b_conf=PATIENT) as pair:
        undisturbed(pair, strangers)


def test_strangers_take_no_places():
    """Connections that never say a whole HELLO use up neither places for VMs nor processes."""
    with Pair(hold="backup", b_conf={"max_vms": 4}) as pair:
        for _ in range(12):
            throw(pair, hello_start(RNG.randbytes(16)) + bytes(40))
        wait_for("strangers' processes end", lambda: len(pair.b.call("list")["vms"]) == 1)
        second = pair.rig.vm(number=2)
        reply = pair.a.call("protect", vm=second.uuid, to=pair.b.address)
        assert reply["ok"], reply
        wait_for("the second VM is protected", lambda: pair.a.state(second.uuid) == "protected")
        files = [name for _, _, names in os.walk(pair.b.state_dir) for name in names]
        assert len(files) < 8, f"strangers left files: {files}"


def test_strangers_and_memory():
    with open(program("backupd"), "rb") as f:
        if b"__asan_init" in f.read():
            raise tap.SkipTest("freed memory is kept under AddressSanitizer")
    with Pair(hold="backup", a_conf=PATIENT, b_conf=PATIENT) as pair:
        pids = [pair.b.pid, pair.b.child_pid(pair.vm.uuid)]
        before = [rss_kib(p) for p in pids]
        uuid = bytes.fromhex(pair.vm.uuid.replace("-", ""))
        for _ in range(200):
            throw(pair, hello_start(uuid, length=1 << 20))
        pair.wait_epochs(5)
        for old, new in zip(before, [rss_kib(p) for p in pids]):
            assert new < old + 8 * 1024, f"{old} KiB before, {new} KiB after"
        assert pair.sessions() == 1, pair.a.events()


if __name__ == "__main__":
    sys.exit(tap.run([(n[5:].replace("_", " "), f) for n, f in sorted(globals().items()) if n.startswith("test_")]))
