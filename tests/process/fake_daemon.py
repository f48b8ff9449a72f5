# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon's control socket (docs/control.md) with answers that a test has chosen."""

import json
import os
import socket
import threading


class FakeDaemon:
    """Answers each request by what `answer` makes of it; keeps the requests.

    `answer` gets a request and returns bytes, or an object (sent as a line), or a list of these;
    None keeps the caller waiting.
    """

    def __init__(self, path, answer):
        self.path, self.answer, self.requests = str(path), answer, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(self.path)
        self.socket.listen(8)
        self.closing = threading.Event()
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.acceptor.join()  # else it might accept for the next one, whose descriptor is the same
        self.socket.close()
        os.unlink(self.path)

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as lines:
            try:
                for line in lines:
                    request = json.loads(line)
                    self.requests.append(request)
                    if not self.reply(connection, self.answer(request)):
                        return
            except OSError:  # the other side had enough
                return

    def reply(self, connection, answer):
        """False when the connection is to be closed, which follows raw bytes."""
        if answer is None:
            self.closing.wait()
            return False
        for part in answer if isinstance(answer, list) else [answer]:
            raw = isinstance(part, bytes)
            connection.sendall(part if raw else json.dumps(part).encode() + b"\n")
            if raw:
                return False
        return True


def primary_status(**changes):
    stats = {"last": 310, "p50": 290, "p99": 800, "max": 1200}
    status = {
        "role": "primary", "uuid": "11111111-2222-3333-4444-555555555555", "name": "web",
        "backend": "sim", "peer": "10.0.0.2:7700", "generation": 3, "pid": 4242, "age_ms": 5,
        "hold": "backup", "state": "protected", "protected": True, "degraded": [],
        "epoch": 1234, "epoch_age_ms": 12, "epoch_ms": 25, "epochs_per_s": 39.8,
        "epochs_per_s_asked": 40.0, "inflight": 1, "missed_deadlines": 7, "pause_us": stats,
        "ack_us": stats, "dirty_pages": stats, "bytes_sent": 1610612736,
        "bytes_content": 6442450944, "ratio": 4.0,
        "coding": {"unchanged": 1, "zero": 2, "raw": 3, "lz4": 4, "delta": 5},
        "held_frames": 3, "held_bytes": 4500, "dropped_frames": 0, "lease_left_ms": 980,
        "detector_timeout_ms": 300, "sync": None,
        "suspend": {"mode": "cooperative", "version": None, "why": "there is no driver"}}
    return dict(status, **changes)


def backup_status(**changes):
    status = {
        "role": "backup", "uuid": "11111111-2222-3333-4444-555555555555", "name": "web",
        "backend": "sim", "peer": "10.0.0.1:41234", "generation": 3, "pid": 4243, "age_ms": 5,
        "hold": "backup", "degraded": [], "protected": True, "state": "standby", "epoch": 1234,
        "epoch_age_ms": 12, "epochs_per_s": 39.8, "memory_bytes": 1048576,
        "memory_limit_bytes": 2097152, "staging_bytes": 4096, "held_frames": 0, "held_bytes": 0,
        "dropped_frames": 0, "export": None, "heard_ms": 4, "detector_timeout_ms": 300,
        "activation_in_ms": None}
    return dict(status, **changes)


def waiting_status():
    """Of a VM whose process is to be started again."""
    return {"role": "primary", "uuid": "11111111-2222-3333-4444-555555555555", "name": "web", "age_ms": 40,
            "state": "restarting", "protected": False,
            "degraded": [{"cause": "no-process", "text": "it died", "for_ms": 40}]}


def event(number, text, **changes):
    return dict({"time": f"2026-01-01T00:00:{number:02d}Z", "mono_ns": number * 10**9,
                 "uuid": "11111111-2222-3333-4444-555555555555", "name": "web", "role": "primary",
                 "level": "info", "event": "sealed", "text": text}, **changes)
