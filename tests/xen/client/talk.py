#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""talk.py ADDRESS CONNECTIONS: clients of the laboratory's guest that check every answer.

Each of CONNECTIONS keeps some numbered lines in flight (port 8); one more connection sends blocks and wants
them back (port 7). A line of JSON on standard output tells how it goes; SIGTERM: nothing new is sent, what is
in flight is waited for, and the last line has "done": true.
"""

import asyncio
import json
import random
import signal
import sys

LINE_PORT, BLOCK_PORT = 8, 7
IN_FLIGHT, PAUSE_S = 4, 0.05
BLOCK = 24 << 10
# TCP doubles its patience with each retransmission: an outage of a minute is felt for two.
REPORT_S, CONNECT_LIMIT_S, ANSWER_LIMIT_S = 0.2, 120, 240


class Talk:
    def __init__(self, address):
        self.address, self.stopping = address, asyncio.Event()
        self.sent, self.answered, self.octets, self.bad = 0, 0, 0, []
        self.last, self.longest_s = None, 0.0  # gap between answers of all connections

    def note_answer(self):
        now = asyncio.get_running_loop().time()
        if self.last is not None:
            self.longest_s = max(self.longest_s, now - self.last)
        self.last = now
        self.answered += 1

    def report(self, done=False):
        print(json.dumps({"sent": self.sent, "answered": self.answered, "octets": self.octets, "bad": self.bad,
                          "longest_gap_s": round(self.longest_s, 3), "done": done}), flush=True)

    async def ask_lines(self, writer, slots):
        number = 0
        while not self.stopping.is_set():
            await slots.acquire()
            number += 1
            self.sent += 1
            writer.write(f"line {number} {'x' * random.randrange(60)}\n".encode())
            await writer.drain()
            await asyncio.sleep(PAUSE_S)
        writer.write_eof()

    async def connect(self, port):
        """Address resolution gives up after three seconds, less than some round trips here take."""
        deadline = asyncio.get_running_loop().time() + CONNECT_LIMIT_S
        while True:
            try:
                return await asyncio.open_connection(self.address, port)
            except OSError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(PAUSE_S)

    async def lines(self):
        reader, writer = await self.connect(LINE_PORT)
        slots = asyncio.Semaphore(IN_FLIGHT)
        asking = asyncio.create_task(self.ask_lines(writer, slots))
        number = 0
        while line := await asyncio.wait_for(reader.readline(), ANSWER_LIMIT_S):
            number += 1
            if not line.startswith(f"{number} line {number} ".encode()):
                self.bad.append(f"answer {number}: {line[:80]}")
            self.note_answer()
            slots.release()
        await asking
        writer.close()

    async def blocks(self):
        reader, writer = await self.connect(BLOCK_PORT)
        while not self.stopping.is_set():
            block = random.randbytes(BLOCK)
            writer.write(block)
            if await asyncio.wait_for(reader.readexactly(BLOCK), ANSWER_LIMIT_S) != block:
                self.bad.append("a block came back changed")
            self.octets += BLOCK
        writer.close()

    async def guarded(self, what, work):
        try:
            await work
        except (OSError, EOFError, asyncio.TimeoutError) as error:
            self.bad.append(f"{what}: {type(error).__name__} {error}")

    async def keep_reporting(self):
        while True:
            self.report()
            await asyncio.sleep(REPORT_S)


async def main():
    talk = Talk(sys.argv[1])
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, talk.stopping.set)
    reporting = asyncio.create_task(talk.keep_reporting())
    await asyncio.gather(talk.guarded("blocks", talk.blocks()),
                         *(talk.guarded("lines", talk.lines()) for _ in range(int(sys.argv[2]))))
    reporting.cancel()
    talk.report(done=True)


asyncio.run(main())
