# SPDX-License-Identifier: GPL-2.0-or-later
"""A bad network between remusd and backupd: a TCP proxy whose faults are switched at run time.

Directions are named from the primary: "up" is primary to backup, "down" is backup to primary."""
import collections
import select
import socket
import struct
import threading
import time

READ = 65536
# What may wait in the proxy per direction: little, so that a slow link is felt at its start.
QUEUE_MAX = 32 * 1024
# Kernel buffers would otherwise swallow megabytes before anybody notices that a link is slow.
SOCKET_BUFFER = 16 * 1024
TICK_S = 0.02


class Faults:
    """What is wrong with one direction, of every connection."""

    def __init__(self):
        self.frozen = False  # nothing is read nor forwarded
        self.dropped = False  # read and thrown away
        self.chunk, self.pause_s = READ, 0.0  # at most `chunk` octets each `pause_s`
        self.delay_s = 0.0
        self.flip_in, self.flip_every = None, None  # octets until a bit is flipped
        self.close_in = None  # octets until the connection is cut
        self.total = 0


class Lane:
    """One direction of one connection."""

    def __init__(self, source, sink, faults):
        self.source, self.sink, self.faults = source, sink, faults
        self.queue = collections.deque()  # [due, octets]
        self.queued, self.next_at = 0, 0.0
        self.ended = self.told = False

    def wants_input(self):
        return not (self.ended or self.faults.frozen) and self.queued < QUEUE_MAX

    def wants_output(self, now):
        return bool(self.queue) and not self.faults.frozen and max(self.queue[0][0], self.next_at) <= now

    def next_due(self):
        return max(self.queue[0][0], self.next_at) if self.queue and not self.faults.frozen else None

    def put(self, data):
        self.queue.append([time.monotonic() + self.faults.delay_s, bytearray(data)])
        self.queued += len(data)

    def take_in(self):
        data = self.source.recv(READ)
        if not data:
            self.ended = True
        elif not self.faults.dropped:
            self.put(data)

    def damage(self, data):
        """`data` as it leaves; True with it when the connection is to be cut behind it."""
        f = self.faults
        if f.flip_in is not None and f.flip_in < len(data):
            data[f.flip_in] ^= 1 << (f.flip_in % 8)
            f.flip_in = f.flip_every
        elif f.flip_in is not None:
            f.flip_in -= len(data)
        if f.close_in is None or f.close_in >= len(data):
            f.close_in = None if f.close_in is None else f.close_in - len(data)
            return data, False
        data = data[:f.close_in]
        f.close_in = None
        return data, True

    def give_out(self, now):
        """True: the connection is to be cut."""
        entry = self.queue[0]
        data, cut = self.damage(entry[1][:self.faults.chunk])
        sent = self.sink.send(data) if data else 0
        self.faults.total += sent
        del entry[1][:sent]
        self.queued -= sent
        if not entry[1]:
            self.queue.popleft()
        self.next_at = now + self.faults.pause_s
        return cut

    def pass_end(self):
        """The end of a direction travels like its octets."""
        if self.ended and not self.queue and not self.told and not self.faults.frozen and not self.faults.dropped:
            self.told = True
            self.sink.shutdown(socket.SHUT_WR)


class Connection:
    def __init__(self, near, far, proxy):
        self.sockets = (near, far)
        self.lanes = (Lane(near, far, proxy.up), Lane(far, near, proxy.down))

    def close(self, reset=False):
        for s in self.sockets:
            if reset:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()

    def over(self):
        return all(lane.told for lane in self.lanes)


class Proxy(threading.Thread):
    def __init__(self, upstream):
        """`upstream` is HOST:PORT, and may be changed later; `address` is where the proxy listens."""
        super().__init__(daemon=True)
        self.upstream = upstream
        self.up, self.down = Faults(), Faults()
        self.accepting = True  # False: connections are held unanswered
        self.refusing = False  # True: connections are closed at once
        self.connections, self.held, self.accepted = [], [], 0
        self.lock, self.stop = threading.Lock(), False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.start()

    # ---- faults; each returns at once ----

    def lanes(self, direction):
        return {"up": [self.up], "down": [self.down], "both": [self.up, self.down]}[direction]

    def set(self, direction, **faults):
        with self.lock:
            for lane in self.lanes(direction):
                for name, value in faults.items():
                    assert hasattr(lane, name), name
                    setattr(lane, name, value)

    def freeze(self, direction="both"):
        self.set(direction, frozen=True)

    def thaw(self):
        self.set("both", frozen=False)

    def half_open(self, direction):
        """`direction` is lost without a word. A new connection needs both: it is not answered either."""
        with self.lock:
            self.accepting = False
            self.lanes(direction)[0].dropped = True

    def drop(self, direction):
        """As half_open, but connections can still be made."""
        self.set(direction, dropped=True)

    def hold_connections(self):
        """New connections wait, what is sent on them with them, until they are let in."""
        with self.lock:
            self.accepting = False

    def let_in(self, newest_first=False):
        with self.lock:
            if newest_first:
                self.held.reverse()
            self.accepting = True

    def slow(self, chunk, pause_s, direction="both"):
        self.set(direction, chunk=chunk, pause_s=pause_s)

    def delay(self, seconds, direction="both"):
        self.set(direction, delay_s=seconds)

    def flip(self, direction, after, every=None):
        """Flips a bit `after` so many octets, and again each `every`."""
        self.set(direction, flip_in=after, flip_every=every)

    def truncate(self, direction, after):
        self.set(direction, close_in=after)

    def inject(self, direction, data):
        """Puts `data` behind what was read so far: most often in the middle of a record."""
        with self.lock:
            for c in self.connections:
                c.lanes[0 if direction == "up" else 1].put(data)

    def cut(self, reset=False):
        with self.lock:
            for c in self.connections:
                c.close(reset)
            self.connections = []

    def unplug(self, reset=False):
        """Cuts, and lets nobody connect."""
        with self.lock:
            self.refusing = True
        self.cut(reset)

    def heal(self):
        """Everything passes again; connections that hang on a lost direction stay as they are."""
        with self.lock:
            self.up.__init__()
            self.down.__init__()
            self.accepting, self.refusing = True, False

    def close(self):
        self.stop = True
        self.join(5)

    # ---- the loop ----

    def connect(self, near):
        host, port = self.upstream.rsplit(":", 1)
        try:
            far = socket.create_connection((host, int(port)), timeout=2)
        except OSError:
            near.close()
            return
        for s in (near, far):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
            s.setblocking(False)
        self.connections.append(Connection(near, far, self))

    def accept(self):
        near, _ = self.listener.accept()
        self.accepted += 1
        if self.refusing:
            near.close()
        elif not self.accepting:
            self.held.append(near)
        else:
            self.connect(near)

    def admit_held(self):
        if self.accepting:
            held, self.held = self.held, []
            for near in held:
                self.connect(near)

    def serve(self, connection, readable, writable, now):
        for lane in connection.lanes:
            if lane.source in readable and lane.wants_input():
                lane.take_in()
            if lane.sink in writable and lane.wants_output(now) and lane.give_out(now):
                raise OSError("truncated")
            lane.pass_end()

    def turn(self):
        with self.lock:
            self.admit_held()
            now = time.monotonic()
            lanes = [lane for c in self.connections for lane in c.lanes]
            reads = [lane.source for lane in lanes if lane.wants_input()] + [self.listener]
            writes = [lane.sink for lane in lanes if lane.wants_output(now)]
            due = [t - now for t in (lane.next_due() for lane in lanes) if t is not None and t > now]
        try:
            readable, writable, _ = select.select(reads, writes, [], min([TICK_S] + due))
        except (OSError, ValueError):  # cut meanwhile
            return
        with self.lock:
            if self.listener in readable:
                self.accept()
            for c in list(self.connections):
                try:
                    self.serve(c, readable, writable, time.monotonic())
                except BlockingIOError:
                    continue
                except (OSError, ValueError):
                    c.close()
                    self.connections.remove(c)
                    continue
                if c.over():
                    c.close()
                    self.connections.remove(c)

    def run(self):
        while not self.stop:
            self.turn()
        self.cut()
        self.listener.close()
