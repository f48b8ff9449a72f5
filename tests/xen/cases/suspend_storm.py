# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver that raises events on its channel without end: each might be a refusal, and is none."""

from cases.suspend import CALM_MS, LOAD, goes_on, guest, stopped_by
from cases.suspend_absent import OVERLAY, overlay
from lablib import engine_log
from lablib.fixture import until

THREAD = """static int storm(void *unused)
{
	while (!kthread_should_stop()) {
		channel_refuse();
		usleep_range(500, 1000);
	}
	return 0;
}

"""
BEGIN, STARTED = "/* Before the thread runs", "\twake_up_process(task);\n"
STORM = {"worker.c": [(BEGIN, THREAD + BEGIN), (STARTED, STARTED + '\tkthread_run(storm, NULL, "storm");\n')]}
TOLD, REFUSED, STORM_TOLD = "events are not looked at", "could not bring its CPUs together", "without end"
EPOCHS = 10


def storms(scene):
    """remusd finds out, says so once, and makes its epochs by that driver."""
    p = scene.ready([overlay(scene, STORM)], overlay=f"/tmp/{OVERLAY}")
    assert p.ask_protect(CALM_MS, suspend="auto")["ok"]
    p.wait("A", lambda status: status and status["protected"])
    talk = scene.talk()
    guest(scene, LOAD)
    until("it is told", lambda: engine_log.count(p, TOLD))
    seals, refused = stopped_by(scene, "driver")["epochs_sealed"], engine_log.count(p, REFUSED)
    p.wait("A", lambda status: status["epochs_sealed"] >= seals + EPOCHS)
    stopped_by(scene, "driver")
    goes_on(scene, talk)
    assert engine_log.count(p, TOLD, "warn") == 1 and engine_log.count(p, STORM_TOLD, "warn") <= 1
    assert engine_log.count(p, REFUSED) == refused


TESTS = [("a driver that raises events without end", storms)]
