# SPDX-License-Identifier: GPL-2.0-or-later
"""A protected pair whose hypervisor fails as it is told."""
import contextlib
import os
import time

from rig import PATIENT, Rig, wait_for

WATCH_S = 1.5  # longer than a status of the VM's process is old
LOOKS = 20  # one may fall into the moment for which an epoch stops the VM; so many in a row do not


class Faulty:
    """A protected VM; the hypervisor of host `at` obeys the rules of a file. Neither side loses patience with the
    other, if not told to."""

    def __init__(self, rig, rule="", at="A", fault="", a_conf=None, **b_conf):
        self.rig = rig
        self.rules = os.path.join(rig.dir, "rules")
        self.write(rule)
        backend = {h: {"backend": "fault", "backend_conf": f"sim:{rig.sim_dir(h)}"} for h in "AB"}
        env = {at: {"REMUS_HV_FAULT_FILE": self.rules, "REMUS_FAULT": fault}}
        self.a, self.b, self.vm = rig.protected_pair(
            a_conf={**backend["A"], **PATIENT, **(a_conf or {})}, b_conf={**backend["B"], **PATIENT, **b_conf},
            a_env=env.get("A"), b_env=env.get("B"))

    def write(self, rule):
        with open(self.rules, "w", encoding="utf-8") as f:
            f.write(rule + "\n")

    @contextlib.contextmanager
    def rule(self, rule):
        self.write(rule)
        yield
        self.write("")

    def causes(self, daemon=None):
        return {d["cause"] for d in (daemon or self.a).status(self.vm.uuid)["degraded"]}

    def fresh_status(self, age_ms):
        """A's, if it is not as old as that."""
        status = self.a.status(self.vm.uuid)
        return status if status["age_ms"] < age_ms else None

    def texts(self):
        """What A's status says of all that is wrong."""
        return " ".join(d["text"] for d in self.a.status(self.vm.uuid)["degraded"])

    def told(self, words):
        """A says that the VM is not protected, and that."""
        return [e for e in self.a.saw("unprotected") if words in e["text"]]

    def runs_at_a(self):
        for _ in range(LOOKS):
            if self.rig.ask_vm("A", self.vm.uuid, "info")["running"]:
                return True
            time.sleep(0.01)
        return False

    def makes_epochs(self):
        epoch = self.a.status(self.vm.uuid)["epoch"]
        time.sleep(WATCH_S)
        return self.a.status(self.vm.uuid)["epoch"] > epoch

    def wait_protected(self, above=0):
        """Under a generation above `above`: a status may yet be of the session that has just ended."""
        def protected():
            status = self.a.status(self.vm.uuid)
            return status and status["state"] == "protected" and status["generation"] > above and \
                self.b.state(self.vm.uuid) == "standby"

        wait_for("it is protected", protected)


@contextlib.contextmanager
def faulty(*args, **kwargs):
    with Rig() as rig:
        yield Faulty(rig, *args, **kwargs)
