# SPDX-License-Identifier: GPL-2.0-or-later
"""An emulator's monitor (QMP) on a Unix socket. One caller at a time; a call is one connection."""

import json
import socket
import time

from lablib.layout import LabError

CALL_LIMIT_S = 60
JOB_POLL_S = 0.05


class Monitor:
    def __init__(self, path, limit_s=CALL_LIMIT_S):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(limit_s)
        try:
            self.sock.connect(str(path))
            self.stream = self.sock.makefile("rwb")
            json.loads(self.stream.readline())
            self.call("qmp_capabilities")
        except (OSError, ValueError) as error:
            self.sock.close()
            raise LabError(f"no answer from the emulator's monitor: {error}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def call(self, command, **arguments):
        message = {"execute": command, "arguments": arguments}
        try:
            self.stream.write(json.dumps(message).encode() + b"\n")
            self.stream.flush()
            return self.answer(command)
        except (OSError, ValueError) as error:
            raise LabError(f"monitor: {command}: {error or 'the emulator ended'}") from None

    def answer(self, command):
        while True:
            reply = json.loads(self.stream.readline())
            if "error" in reply:
                raise LabError(f"monitor: {command}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]  # all else is an event

    def status(self):
        return self.call("query-status")["status"]

    def save(self, uri, limit_s):
        """Writes the machine's state; it must be stopped."""
        self.call("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.call("migrate", uri=uri)
        state = self.wait(lambda: self.call("query-migrate").get("status"),
                          ("completed", "failed", "cancelled"), limit_s)
        if state != "completed":
            raise LabError("the snapshot could not be written")

    def wait(self, read, wanted, limit_s):
        deadline = time.monotonic() + limit_s
        while (state := read()) not in wanted:
            if time.monotonic() > deadline:
                raise LabError(f"the emulator is still \"{state}\" after {limit_s} s")
            time.sleep(JOB_POLL_S)
        return state
