# SPDX-License-Identifier: GPL-2.0-or-later
"""What happened when: from the kill to the first byte out of the VM's second life."""

import statistics

# Names of backupd's events, docs/control.md.
DETECTED, DECIDED, ACTIVATED = "primary-silent", "takeover", "activated"


class TimelineError(Exception):
    """Something that must have happened did not, or not in this order."""


def last_event(events, name, after_ns=0):
    found = [e for e in events if e.get("event") == name and e.get("mono_ns", 0) >= after_ns]
    return found[-1] if found else None


class Timeline:
    """Seconds on our clock. `precision`: of the two that another clock told."""

    def __init__(self, killed, detected, activated, first_byte, precision):
        self.killed, self.detected, self.activated = killed, detected, activated
        self.first_byte, self.precision = first_byte, precision

    def after(self, moment):
        """Milliseconds since the kill."""
        return (moment - self.killed) * 1000

    def rows(self):
        """(name, ms after the kill, precision in ms or None)"""
        exact, told = None, self.precision * 1000
        return [("killed", 0.0, exact), ("detected", self.after(self.detected), told),
                ("activated", self.after(self.activated), told),
                ("first byte", self.after(self.first_byte), exact)]

    def json(self):
        return {name.replace(" ", "_") + "_ms": round(ms, 1) for name, ms, _ in self.rows()} | {
            "precision_ms": round(self.precision * 1000, 1)}


def build(killed, events, clock, arrivals):
    """events: backupd's; clock: Bounds of its host's; arrivals: when the client received octets.

    Octets that came between the kill and the decision to take over were on their way already.
    """
    moments, precision = {}, 0.0
    for name in (DETECTED, DECIDED, ACTIVATED):
        event = last_event(events, name)
        if not event:
            raise TimelineError(f"backupd has no event {name!r}")
        moments[name], precision = clock.ours(event["mono_ns"])
    first = next((t for t in arrivals if t > moments[DECIDED] - precision and t > killed), None)
    if first is None:
        raise TimelineError("no byte reached the client after the takeover")
    found = Timeline(killed, moments[DETECTED], moments[ACTIVATED], first, precision)
    order = [killed, found.detected + precision, moments[DECIDED] + precision,
             found.activated + 2 * precision]
    if order != sorted(order):
        raise TimelineError("the events are not in order: " + ", ".join(
            f"{name} {ms:+.0f} ms" for name, ms, _ in found.rows()))
    return found


def silence(killed, arrivals):
    """The longest time without an octet that began before or after the kill and ended after it."""
    gaps = [b - a for a, b in zip(arrivals, arrivals[1:]) if b > killed]
    return max(gaps, default=0.0)


def median_ms(trips, start, end):
    """Of round trips that began and ended in between; None if there were none."""
    chosen = [trip for sent, trip in trips if start <= sent and sent + trip < end]
    return statistics.median(chosen) * 1000 if chosen else None
