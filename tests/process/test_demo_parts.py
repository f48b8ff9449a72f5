#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of the demonstration that need no laboratory: a client that misses nothing, clocks, the timeline
and the plot. tests/xen/test_demo.py has the whole."""

import contextlib
import io
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "xen")]

import tap  # noqa: E402
from demolib import clock, plot, screen, timeline  # noqa: E402
from demolib.session import Session, SessionError, answer, record  # noqa: E402
from demolib.story import FLOOR_MAX_MS, FLOOR_MS, silence_allowed  # noqa: E402

DEMO = TESTS / "xen/demo.py"
PERIOD_S, LIMIT_S, BRIEF_S = 0.001, 20, 0.3
RECORDS = 40


def numbered(sock, spoil, farewell):
    """The guest's service: `spoil` makes of answer N what is sent in its place; None: no more answers."""
    with sock, sock.makefile("rb") as stream, contextlib.suppress(OSError):
        for number, line in enumerate(stream, 1):
            said = spoil(number, b"%d %s" % (number, line))
            if said is None:
                return
            sock.sendall(said)
        sock.sendall(farewell)


def run_session(spoil=lambda _, said: said, limit_s=LIMIT_S, farewell=b""):
    """The checker after RECORDS answers and an orderly end; raises as the client does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT_S)
        session = Session(socket.create_connection(listener.getsockname()), PERIOD_S)
        peer, _ = listener.accept()
        server = threading.Thread(target=numbered, args=(peer, spoil, farewell), daemon=True)
        server.start()
        session.start()
        try:
            deadline = time.monotonic() + limit_s
            while len(session.checker.sent_at) < RECORDS or \
                    (len(session.checker.trips) < RECORDS and time.monotonic() < deadline):
                session.check()
                time.sleep(0.01)
            session.finish(limit_s)
            return session.checker
        finally:
            session.close()
            peer.close()


def refused(spoil, *words, **options):
    try:
        run_session(spoil, **options)
    except SessionError as error:
        assert any(word in str(error) for word in words), error
        return
    assert False, f"not noticed: {words}"


def at(number, change):
    """Only the answer to record `number` is changed."""
    return lambda n, said: change(said) if n == number else said


def a_whole_session_passes():
    checker = run_session()
    assert len(checker.trips) == len(checker.sent_at) >= RECORDS
    assert checker.octets == sum(len(answer(n)) for n in range(1, len(checker.trips) + 1))
    assert all(trip >= 0 for _, trip in checker.trips) and checker.arrivals == sorted(checker.arrivals)


def answers_in_pieces_pass():
    held = []

    def pieces(number, said):
        held.append(said)
        whole, rest = b"".join(held), b""
        if number < RECORDS:
            cut = random.randrange(len(whole))
            whole, rest = whole[:cut], whole[cut:]
        held[:] = [rest]
        return whole

    run_session(pieces)


def a_lost_record_is_noticed():
    refused(at(7, lambda said: b""), "lost: the answer to 8 came where 7 was due")


def a_repeated_record_is_noticed():
    refused(at(7, lambda said: said * 2), "repeated: the answer to 7 came where 8 was due")


def a_lost_octet_is_noticed():
    for position in (0, 3, 9, -2):
        refused(at(11, lambda said, p=position: said[:p] + said[p:][1:]), "wrong byte", "lost", "repeated")


def a_lost_line_end_is_noticed():
    refused(at(11, lambda said: said[:-1]), "wrong byte")


def a_changed_octet_is_noticed():
    refused(at(9, lambda said: said[:6] + bytes([said[6] ^ 1]) + said[7:]), "wrong byte in the answer to record 9")


def surplus_at_the_end_is_noticed():
    refused(lambda _, said: said, "more came than was asked for", farewell=b"more")


def an_early_end_is_noticed():
    refused(lambda n, said: said if n < 5 else None, "closed the session", "broken")


def a_reset_is_noticed():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        session = Session(socket.create_connection(listener.getsockname()), PERIOD_S)
        peer, _ = listener.accept()
        session.start()
        peer.recv(1)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        session.thread.join(LIMIT_S)
        try:
            session.check()
        except SessionError as error:
            assert "broken" in str(error), error
        else:
            assert False, "a reset was not noticed"
        finally:
            session.close()


def missing_answers_are_noticed():
    refused(lambda n, said: said if n < 5 else b"", "no answer", limit_s=BRIEF_S)


def records_differ():
    lines = [record(n) for n in range(1, 3000)]
    assert len(set(lines)) == len(lines)
    assert all(len(a) != len(b) for a, b in zip(lines, lines[1:]))


def a_clock_is_bounded():
    rng, true = random.Random(1), 12345.678
    found = [clock.Bounds(), clock.Bounds()]
    for bounds in found:
        for _ in range(30):
            asked = rng.uniform(20000, 20010)
            read = asked + rng.uniform(0, 0.005)
            bounds.add(asked, read + rng.uniform(0, 0.005), int((read - true) * 100) / 100)
        assert bounds.low <= true <= bounds.high, (bounds.low, bounds.high)
        assert bounds.high - bounds.low < 0.02
    both = found[0].join(found[1])
    ours, precision = both.ours(5 * 10**9)
    assert abs(ours - (5 + true)) <= precision


def a_drifting_clock_widens_its_bounds():
    early, late = clock.Bounds(), clock.Bounds()
    early.add(100.0, 100.001, 50.0)
    late.add(200.0, 200.001, 149.9)
    both = early.join(late)
    assert both.low <= early.low and both.high >= late.high


def bounds(offset, precision):
    found = clock.Bounds()
    found.low, found.high = offset - precision, offset + precision
    return found


def event(name, mono_s):
    return {"event": name, "mono_ns": int(mono_s * 1e9), "text": name}


EVENTS = [event("ready", 5), event("primary-silent", 11), event("takeover", 11.1), event("activated", 11.9)]


def a_timeline_is_built():
    found = timeline.build(110.0, EVENTS, bounds(100, 0.01), [109.9, 110.1, 112.2, 113])
    assert [(name, round(ms)) for name, ms, _ in found.rows()] == [
        ("killed", 0), ("detected", 1000), ("activated", 1900), ("first byte", 2200)]
    assert found.json()["precision_ms"] == 10.0
    assert abs(timeline.silence(110.0, [109.9, 110.1, 112.2, 113]) - 2.1) < 1e-9


def an_incomplete_timeline_is_refused():
    for events, arrivals, word in (
            (EVENTS[:3], [112.2], "activated"), (EVENTS[:2] + EVENTS[3:], [112.2], "takeover"),
            (EVENTS[2:], [112.2], "primary-silent"), (EVENTS, [109.9, 110.1], "no byte"),
            ([*EVENTS[:1], event("primary-silent", 9), *EVENTS[2:]], [112.2], "order")):
        try:
            timeline.build(110.0, events, bounds(100, 0.01), arrivals)
            assert False, f"accepted without {word}"
        except timeline.TimelineError as error:
            assert word in str(error), error


def medians_are_of_their_phase():
    trips = [(1.0, 0.1), (2.0, 0.3), (2.5, 0.2), (2.9, 0.5), (4.0, 9.0)]
    assert timeline.median_ms(trips, 2.0, 3.0) == 250.0
    assert timeline.median_ms(trips, 10, 11) is None


def patience_follows_the_machine():
    assert silence_allowed(0.001) == FLOOR_MS and silence_allowed(100) == FLOOR_MAX_MS
    assert FLOOR_MS < silence_allowed(0.2) < FLOOR_MAX_MS


def the_plot_is_legible():
    found = timeline.build(110.0, EVENTS, bounds(100, 0.01), [112.2])
    trips = [(80 + n / 20, 0.008) for n in range(600)] + [(110.1, 2.1), (111, 1.2), (113, 0.009)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demo.svg"
        plot.draw(path, trips, found, [("protect", 90.0), ("recovered", 112.5)])
        root = xml.etree.ElementTree.parse(path).getroot()
    space = "{http://www.w3.org/2000/svg}"
    texts = [node.text for node in root.iter(f"{space}text")]
    for wanted in ("killed +0 ms", "detected +1000 ms", "activated +1900 ms", "first byte +2200 ms", "protect",
                   "recovered", "10 ms", "100 ms", "1 s"):
        assert wanted in texts, (wanted, texts)
    dots = re.findall(r"M([\d.-]+) ([\d.-]+)h0", next(root.iter(f"{space}path")).get("d"))
    assert len(dots) == len(trips)
    low, high = (float(dots[n][1]) for n in (0, 600))
    assert low - high > 100, "milliseconds and seconds are not far apart"
    assert all(plot.svg.LEFT <= float(x) <= plot.svg.WIDTH - plot.svg.RIGHT for x, _ in dots)


def a_pipe_gets_plain_lines():
    out = io.StringIO()
    said = screen.Screen(out)
    said.step("one")
    for n in range(5):
        said.live(f"now {n}")
    said.note("done")
    text = out.getvalue()
    assert "now 0" in text and "now 4" not in text and "\r" not in text and "\033" not in text


def what_came_before_counts():
    """`make demo` installs and builds first, and promises a time for all of it."""
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, DEMO, "--began", str(time.time() - 301)]
        ended = subprocess.run(argv, env={**os.environ, "REMUS_LAB_DIR": folder}, capture_output=True, text=True,
                               timeout=LIMIT_S)
        assert ended.returncode == 1 and "FAILED: not done within 300 s" in ended.stdout, ended
        assert "Two Xen hosts" not in ended.stdout, "it had begun all the same"


TESTS = [("a whole session passes", a_whole_session_passes),
         ("answers may come in pieces", answers_in_pieces_pass),
         ("a lost record is noticed", a_lost_record_is_noticed),
         ("a repeated record is noticed", a_repeated_record_is_noticed),
         ("a lost octet is noticed", a_lost_octet_is_noticed),
         ("a lost line end is noticed", a_lost_line_end_is_noticed),
         ("a changed octet is noticed", a_changed_octet_is_noticed),
         ("octets that nobody asked for are noticed", surplus_at_the_end_is_noticed),
         ("an early end is noticed", an_early_end_is_noticed),
         ("a reset is noticed", a_reset_is_noticed),
         ("missing answers are noticed", missing_answers_are_noticed),
         ("records differ from each other", records_differ),
         ("a host's clock is bounded", a_clock_is_bounded),
         ("a clock that drifts is known less precisely", a_drifting_clock_widens_its_bounds),
         ("a timeline is built", a_timeline_is_built),
         ("an incomplete timeline is refused", an_incomplete_timeline_is_refused),
         ("medians are of their phase", medians_are_of_their_phase),
         ("the silence allowed follows the machine", patience_follows_the_machine),
         ("the plot keeps milliseconds and seconds apart", the_plot_is_legible),
         ("a pipe gets plain lines", a_pipe_gets_plain_lines),
         ("what came before counts towards its time", what_came_before_counts)]

if __name__ == "__main__":
    sys.exit(tap.run(TESTS))
