# SPDX-License-Identifier: GPL-2.0-or-later
"""One fault, struck at a named point of a running installation, and what has to hold afterwards."""
import os
import re
import signal
import threading

from fault_scenarios import LEASE_ENDS
from proxy import Proxy
from rig import DETECTOR, PATIENT, UNHURRIED, Rig, RigError, wait_for

CLIENT_MAC = "52:54:00:c1:00:01"  # of a rig's first client
# Outcomes after which no clients are served.
SILENT = ("lost", "gone", "blocked")


class Case:
    """How a point is struck, and what may come of it.

    at          the host whose daemon, with its children, is armed
    action      of REMUS_FAULT; {a}, {b}, {vm} stand for the pids of remusd, backupd and the VM at A
    scenario    function of a Run that brings the point about and returns once it must have been reached
    outcome     what the end has to be: one of Run's outcomes, or several joined by " or "
    says        host -> regular expression that its events or log have to match
    session     the session in which the point is struck (generations count them)
    then_die    afterwards host A loses its power, and the VM has to outlive that
    counted_from  the point from whose first hit on `nth` counts; None: from the start
    """

    def __init__(self, at, action, nth, scenario, outcome, says=None, session=1, hold="backup", then_die=False,
                 vm_opts=None, counted_from=None):
        self.at, self.action, self.nth, self.scenario, self.outcome = at, action, nth, scenario, outcome
        self.outcomes = outcome.split(" or ")
        self.says, self.session, self.hold, self.then_die = says or {}, session, hold, then_die
        self.vm_opts, self.counted_from = vm_opts or {}, counted_from

    def name(self, point):
        how = self.scenario.__name__.replace("_", " ")
        action = self.action.replace("{", "").replace("}", "")
        nth = f" hit {self.nth}" if self.nth > 1 else ""
        return f"{point}{nth}: {action}, {how}, hold={self.hold}: {self.outcome}"


class Run:
    """Host A with a VM and its clients, host B, and a network between them that a scenario can cut."""

    def __init__(self, point, case):
        self.point, self.case = point, case
        self.rig = Rig()
        self.a = self.b = self.vm = self.proxy = self.client = None
        self.power = True  # of host A
        self.epoch_at_hit = None
        self.events = {"A": "", "B": ""}  # last known; they end with their daemon
        self.answers = ""  # of remusd to protect

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.proxy:
            self.proxy.close()
        self.rig.__exit__(kind, value, trace)

    # ---- building ----

    def environment(self):
        pids = {name: proc.pid for name, proc in (("a", self.a), ("b", self.b), ("vm", self.vm)) if proc}
        counted_from = {"REMUS_FAULT_FROM": self.case.counted_from} if self.case.counted_from else {}
        return {"REMUS_FAULT": f"{self.point}:{self.case.nth}:{self.case.action.format(**pids)}",
                "REMUS_FAULT_ONCE": os.path.join(self.rig.dir, "once"), **counted_from}

    def detector(self):
        if self.case.scenario in LEASE_ENDS:
            return DETECTOR
        return UNHURRIED if self.case.then_die else PATIENT

    def start(self):
        """The armed side last, so that its action can name every other process."""
        # The pattern is gone through several times before the first epoch.
        self.vm = self.rig.vm(**{"pattern_mb": 1, "pattern_rate": 10000, **self.case.vm_opts})
        for host in sorted("AB", key=lambda h: h == self.case.at):
            env = self.environment() if host == self.case.at else None
            if host == "A":
                self.a = self.rig.remusd(env=env, **self.detector())
            else:
                self.b = self.rig.backupd(env=env, **self.detector())
        self.proxy = Proxy(self.b.address)
        # Where nobody is left to answer, requests have to be given up.
        patience = 1500 if set(SILENT) & set(self.case.outcomes) else 60000
        # Out of step with the epochs: requests come at every moment of one, not only after a release.
        self.client = self.rig.client(self.vm, seconds=3600, clients=24, interval_ms=37, retry_ms=100,
                                      timeout_ms=patience)
        self.wait_served()

    def ask_protect(self):
        """The daemon's answer; None when it died instead."""
        try:
            reply = self.a.call("protect", vm=self.vm.uuid, to=self.proxy.address, hold=self.case.hold)
        except (RigError, OSError):
            return None
        self.answers += f"answer {reply.get('code')}: {reply.get('error')}\n"
        return reply

    def protect(self):
        reply = self.ask_protect()
        assert reply and reply["ok"], f"protect: {reply}"

    def order(self, daemon, **command):
        """A command whose answer may have to wait for what the test does next."""
        def ask():
            try:
                daemon.call(vm=self.vm.uuid, **command)
            except (RigError, OSError):  # the daemon died
                pass
        threading.Thread(target=ask, daemon=True).start()

    def revive(self):
        """What an init system does for daemons that died, however late that is seen; a host without power
        stays dark."""
        for daemon in (self.b, self.a) if self.power else (self.b,):
            if not daemon.alive():
                daemon.restart()

    # ---- looking ----

    def armed(self):
        return self.a if self.case.at == "A" else self.b

    def was_hit(self):
        return f"fault point {self.point}: {self.case.action.split('=')[0]}" in self.armed().text()

    def wait_hit(self, timeout=60):
        wait_for(f"fault point {self.point} is reached", self.was_hit, timeout, 0.005)

    def at_a(self):
        return self.look(self.a) if self.power else {}

    def at_b(self):
        return self.look(self.b)

    def look(self, daemon):
        try:
            return daemon.status(self.vm.uuid) or {}
        except (OSError, RigError):
            return {}

    def said(self, host, pattern):
        daemon = self.a if host == "A" else self.b
        if daemon.alive():
            self.events[host] = "".join(f"event {e['event']}: {e['text']}\n" for e in daemon.events())
        return re.search(pattern, daemon.text() + self.events[host] + (self.answers if host == "A" else ""))

    def copies(self):
        """Host -> statistics of the VM there, paused or not; a replica is no copy."""
        answers = {host: self.rig.ask_vm(host, self.vm.uuid, "stats") for host in "AB"}
        return {host: stats for host, stats in answers.items() if stats}

    def lives(self, host):
        """Asked while an epoch is being captured, it does not run: the caller asks again."""
        stats = self.rig.ask_vm(host, self.vm.uuid, "stats")
        return stats and stats["running"] and stats["network"]

    # ---- outcomes: each a condition on the present ----

    def again(self):
        """The VM runs at A, protected in a later session than the one that was struck."""
        status = self.at_a()
        return status.get("state") == "protected" and status["generation"] > self.case.session

    def undisturbed(self):
        """The VM runs at A, protected in the same session, and epochs go on."""
        status = self.at_a()
        if status.get("state") != "protected" or status["generation"] != self.case.session:
            return False
        self.epoch_at_hit = self.epoch_at_hit or status["epoch"]
        return status["epoch"] > self.epoch_at_hit + 5

    def taken_over(self):
        """The VM runs at B; A has neither a copy nor anything to do with it."""
        return self.at_b().get("state") == "active" and not self.vm.alive() and not self.at_a()

    def unprotected(self):
        """The VM runs at A, and B holds nothing."""
        return self.vm.alive() and not self.at_a() and not self.at_b().get("protected")

    def blocked(self):
        """Nobody can know whether B's copy has spoken: A's does not run, until a person decides."""
        return self.at_a().get("state") == "blocked" and bool(self.said("A", "was taken over here"))

    def lost(self):
        """Both hosts were struck: no copy is left."""
        return not self.vm.alive() and bool(self.said("B", "event child-died")) and not self.at_b().get("protected")

    def gone(self):
        """The VM ended before there was a replica, and both sides have let go of it."""
        return not self.vm.alive() and not self.at_a() and not self.at_b().get("protected")

    def reached(self, outcomes):
        """The first of `outcomes` that is there. Daemons that died are started again meanwhile."""
        self.revive()
        return next((o for o in outcomes if getattr(self, o.replace(" ", "_"))()), None)

    def settle(self, *outcomes):
        try:
            return wait_for(f"outcome: {' or '.join(outcomes)}", lambda: self.reached(outcomes), 60)
        except RigError as why:
            raise RigError(f"{why}; A: {self.at_a()}, B: {self.at_b()}") from why

    # ---- the guest's clients ----

    def wait_served(self):
        """The guest answers the client from now on, not only before."""
        seen = os.path.getsize(self.rig.frames_log)
        answer = f'"src":"{self.vm.mac}","dst":"{CLIENT_MAC}"'
        wait_for("client is answered", lambda: answer in self.frames_text(seen), step=0.05)

    def frames_text(self, start):
        with open(self.rig.frames_log, encoding="utf-8") as f:
            f.seek(start)
            return f.read()

    def end_client(self, good):
        self.client.kill(signal.SIGTERM)
        result = self.client.result()
        assert not result["violations"], result
        assert not good or self.client.popen.returncode == 0, result

    # ---- what holds after every fault ----

    def check_copies(self, outcome):
        where = {"taken over": {"B"}, "lost": set(), "gone": set()}.get(outcome, {"A"})
        copies = self.copies()
        assert set(copies) == where, copies
        for host, stats in copies.items():
            if outcome == "blocked":
                assert not stats["running"], f"the VM at {host} runs: {stats}"
            else:
                wait_for(f"the VM at {host} runs and has a network", lambda h=host: self.lives(h))
            report = self.rig.ask_vm(host, self.vm.uuid, "check")
            assert report and report["ok"] and report["step"] > 0, f"pattern at {host}: {report}"

    def check_one_voice(self):
        """A port of the switch that spoke for the guest is silent once another has spoken for it."""
        ports = []
        for frame in self.rig.frames():
            if frame.get("src") != self.vm.mac or ports[-1:] == [frame["port"]]:
                continue
            assert frame["port"] not in ports, f"speaks again: {frame}, after ports {ports}"
            ports.append(frame["port"])
        assert ports, "the guest was never heard"

    def check_words(self):
        for host, pattern in self.case.says.items():
            assert self.said(host, pattern), f"{host} says nothing that matches '{pattern}'"
        for host in "AB":
            assert not self.said(host, "event replica-failed|memory differs"), "the images differ"

    def check(self, outcome):
        served = outcome not in SILENT
        self.check_copies(outcome)
        if served:
            self.wait_served()
        if self.case.then_die:
            self.die()
        self.end_client(served)
        self.check_one_voice()
        self.check_words()

    def die(self):
        """What all of this is for still works."""
        wait_for("B holds an epoch", lambda: self.at_b().get("state") == "standby")
        self.check_words()
        self.power_cut()
        self.settle("taken over")
        self.check_copies("taken over")
        self.wait_served()

    def power_cut(self):
        self.power = False
        self.rig.power_cut(self.a, self.vm)
        self.a.popen.wait()
        self.vm.popen.wait()


def strike(point, case):
    with Run(point, case) as run:
        run.start()
        case.scenario(run)
        assert run.was_hit(), f"fault point {point} was never reached"
        run.check(run.settle(*case.outcomes))
