# SPDX-License-Identifier: GPL-2.0-or-later
"""For every fault point: how it is reached, what is struck there, and what has to come of it."""
import subprocess

from fault_rig import Case, strike
from fault_scenarios import (backup_child_killed, copy_at_b_dies, cut_until_forgotten, cut_until_struck,
                             cut_until_taken_over, first_session, forced_failover, host_death, host_dies_meanwhile,
                             meanwhile, planned_failover, primary_child_killed, refused_then_repeated, steady,
                             unprotect)
from rig import program

# ---- the loop: its points, and a hit of each, counted from the first sealed epoch on ----

PRIMARY_LOOP = {
    "primary_before_stop": 15, "primary_stopped": 15, "primary_dirty_fetched": 15, "primary_pages_copied": 15,
    "primary_state_saved": 15, "primary_before_resume": 15, "primary_resumed": 15, "primary_encode_slice": 15,
    "primary_epoch_end": 15, "primary_acked": 15, "primary_released": 15, "primary_link_write": 30,
}
BACKUP_LOOP = {
    "backup_pages": 15, "backup_epoch_end": 15, "backup_verified": 15, "backup_sealed": 15, "backup_acked": 15,
    "backup_released": 15, "backup_apply_page": 2000, "backup_applied": 15,
}
SEALED = {"A": "primary_acked", "B": "backup_applied"}
A_CHILD_DIED = {"A": "event child-died", "B": "event (link-lost|session)"}
B_CHILD_DIED = {"A": "event link-lost|link-lost:", "B": "event child-died"}
REMUSD_DIED = {"A": "remusd is gone", "B": "the primary ended protection: remusd stops"}
BACKUPD_DIED = {"A": "the backup left: backupd died", "B": "backupd is gone"}
VM_DIED = {"A": "event vm-crashed(.|\n)*event handed-over", "B": "event activated: .*the VM crashed"}
TAKEN_OVER = {"B": "event activated"}
FENCED = {"A": "event fenced", "B": "event activated"}
ASLEEP = "sleep-ms=400"


def loop_cases(at, number, nth, by_side):
    """Each of the five processes is killed there, and then host A with all of its; the two ways of holding output
    take turns."""
    cases = []
    for turn, (action, scenario, outcome, says) in enumerate(by_side):
        hold = ("backup", "primary")[(number + turn) % 2]
        cases.append(Case(at, action, nth, scenario, outcome, says, hold=hold, counted_from=SEALED[at],
                          then_die=action == "kill" and number % 4 == 0))
    return cases


PRIMARY_DEATHS = [
    ("kill", steady, "again", A_CHILD_DIED),
    ("kill-pid={vm}", steady, "taken over", VM_DIED),
    ("kill-pid={b}", steady, "again", BACKUPD_DIED),
    (ASLEEP, meanwhile("backup child"), "again", B_CHILD_DIED),
    (ASLEEP, meanwhile("remusd"), "again", REMUSD_DIED),
    (ASLEEP, host_dies_meanwhile, "taken over", TAKEN_OVER),
]
BACKUP_DEATHS = [
    ("kill", steady, "again", B_CHILD_DIED),
    ("kill-pid={vm}", steady, "taken over", VM_DIED),
    ("kill-pid={a}", steady, "again", REMUSD_DIED),
    (ASLEEP, meanwhile("primary child"), "again", A_CHILD_DIED),
    (ASLEEP, meanwhile("backupd"), "again", BACKUPD_DIED),
    (ASLEEP, host_dies_meanwhile, "taken over", TAKEN_OVER),
]


# ---- everything else, and more about some points of the loop ----

SPECIAL = {
    "primary_hello": [Case("A", "kill", 1, first_session, "again", {"A": "event child-died"}, then_die=True)],
    "primary_welcomed": [
        Case("A", "kill", 1, first_session, "again", A_CHILD_DIED),
        Case("A", "kill", 2, backup_child_killed, "again", A_CHILD_DIED, session=2)],
    "primary_copy_slice": [
        Case("A", "kill", 5, first_session, "again", A_CHILD_DIED),
        Case("A", "kill-pid={vm}", 5, first_session, "gone", {"A": "event vm-crashed"}),
        Case("A", "kill-pid={b}", 5, first_session, "again", BACKUPD_DIED)],
    "primary_stage_alloc": [
        Case("A", "fail", 1, refused_then_repeated, "again", {"A": "event refused: .*Cannot allocate memory"}, session=0),
        Case("A", "kill", 1, refused_then_repeated, "again", {"A": "event child-died"}, session=0),
        Case("A", "fail", 2, steady, "undisturbed", {"A": "event staging-memory"}, vm_opts={"dirty_rate": 60000})],
    "primary_link_write": [
        Case("A", "kill", 1, first_session, "again", {"A": "event child-died"}),
        Case("A", "fail", 60, steady, "again", {"A": "link-lost: ", "B": "event link-lost"}, then_die=True)],
    "primary_lease_lost": [Case("A", "kill", 1, cut_until_taken_over, "taken over", FENCED)],
    "primary_handover": [
        Case("A", "kill", 1, planned_failover, "again", A_CHILD_DIED, then_die=True),
        Case("A", "kill-pid={vm}", 1, planned_failover, "taken over", TAKEN_OVER, hold="primary"),
        # The backup's BYE and the HANDOVER cross, or the handover is done before backupd's end is seen.
        Case("A", "kill-pid={b}", 1, planned_failover, "taken over or again",
             {"A": "event handed-over|the backup left", "B": "backupd is gone"})],
    "primary_fenced": [
        Case("A", "kill", 1, cut_until_taken_over, "taken over", FENCED),
        Case("A", "kill", 1, planned_failover, "taken over", TAKEN_OVER)],
    "backup_hello": [
        Case("B", "kill", 1, refused_then_repeated, "again", {"A": "event refused", "B": "event child-died"}, session=0),
        Case("B", "kill", 2, primary_child_killed, "again", {"B": "event child-died"})],
    "backup_replica_create": [
        Case("B", "kill", 1, refused_then_repeated, "again", {"A": "event refused", "B": "event child-died"}, session=0),
        Case("B", "fail", 1, refused_then_repeated, "again", {"A": "no memory", "B": "event refused"}, session=0),
        Case("B", "fail", 2, primary_child_killed, "again", {"A": "no memory", "B": "event refused"}, session=2)],
    "backup_stage_alloc": [
        Case("B", "kill", 1, steady, "again", B_CHILD_DIED),
        Case("B", "fail", 1, steady, "again", {"A": "event unprotected: rejected: .*raise staging_mb|the backup refused",
                                               "B": "event link-lost"}, then_die=True)],
    "backup_pages": [Case("B", "kill", 5, first_session, "again", B_CHILD_DIED)],
    "backup_sealed": [Case("B", "kill", 1, first_session, "again", B_CHILD_DIED)],
    "backup_suspect": [
        Case("B", "kill", 1, cut_until_struck, "again", B_CHILD_DIED),
        Case("B", "kill", 1, host_death, "lost", {"B": "event child-died"}),
        Case("B", "kill", 1, forced_failover, "again", B_CHILD_DIED)],
    "backup_generation": [
        Case("B", "kill", 1, cut_until_struck, "again", B_CHILD_DIED),
        Case("B", "kill", 1, host_death, "lost", {"B": "event child-died"})],
    "backup_before_activate": [
        Case("B", "kill", 1, cut_until_forgotten, "again", {"A": "does not run here now", "B": "event child-died"}),
        Case("B", "kill", 1, host_death, "lost", {"B": "event child-died"})],
    "backup_activated": [
        Case("B", "kill", 1, host_death, "taken over", {"B": "event child-died"}),
        Case("B", "kill", 1, cut_until_taken_over, "taken over", {"A": "event fenced", "B": "event child-died"}),
        Case("B", "kill", 1, planned_failover, "taken over", {"B": "event child-died"}, hold="primary"),
        Case("B", "kill", 1, forced_failover, "taken over", {"A": "event fenced", "B": "event child-died"}),
        Case("B", "sleep-ms=1", 1, copy_at_b_dies, "blocked", {"A": "does not run here now", "B": "event vm-gone"})],
    "state_write": [
        Case("A", "kill", 1, refused_then_repeated, "again", {"A": "event child-died"}, session=0),
        Case("A", "kill", 2, first_session, "again", A_CHILD_DIED),
        Case("A", "kill", 3, planned_failover, "taken over", {"A": "event child-died"}),
        Case("A", "kill", 4, backup_child_killed, "again", A_CHILD_DIED, session=2),
        Case("A", "fail", 1, refused_then_repeated, "again", {"A": "No space left"}, session=0),
        Case("A", "fail", 2, first_session, "again", {"A": "event state-dir: .*No space left"}),
        Case("A", "fail", 3, planned_failover, "taken over", {"A": "No space left"}),
        Case("A", "fail", 4, backup_child_killed, "again", {"A": "event state-dir: .*No space left"}),
        Case("B", "kill", 1, refused_then_repeated, "again", {"B": "event child-died"}, session=0),
        Case("B", "fail", 1, refused_then_repeated, "again", {"A": "not writable", "B": "No space left"}, session=0),
        Case("B", "kill", 2, host_death, "lost", {"B": "event child-died"}),
        Case("B", "fail", 2, host_death, "taken over", {"B": "event activation: (.|\n)*event activated"}),
        Case("B", "kill", 3, host_death, "taken over", {"B": "event child-died"}),
        Case("B", "fail", 3, host_death, "taken over", {"B": "No space left(.|\n)*event activated"}),
        Case("B", "kill", 2, unprotect, "unprotected", {"A": "event unprotected", "B": "event child-died"}),
        Case("B", "fail", 2, unprotect, "unprotected or taken over", {"B": "No space left"})],
    "state_rename": [
        Case("A", "kill", 1, refused_then_repeated, "again", {"A": "event child-died"}, session=0),
        Case("A", "kill", 2, first_session, "again", A_CHILD_DIED),
        Case("B", "kill", 1, refused_then_repeated, "again", {"B": "event child-died"}, session=0),
        Case("B", "kill", 2, host_death, "lost", {"B": "event child-died"}),
        Case("B", "fail", 2, host_death, "taken over", {"B": "event activation: (.|\n)*event activated"})],
    "parent_spawn": [
        Case("A", "kill", 1, refused_then_repeated, "again", session=0),
        Case("A", "fail", 1, refused_then_repeated, "again", {"A": "cannot start a process"}, session=0),
        Case("A", "kill", 2, primary_child_killed, "again", {"A": "ended unexpectedly"}, then_die=True),
        Case("A", "fail", 2, primary_child_killed, "again", {"A": "cannot start a process"}),
        Case("B", "kill", 1, refused_then_repeated, "again", session=0),
        Case("B", "fail", 1, refused_then_repeated, "again", {"A": "event refused", "B": "cannot start a process"},
             session=0),
        Case("B", "fail", 2, backup_child_killed, "again", {"A": "rejected: ", "B": "cannot start a process"})],
    "parent_accept": [
        Case("B", "kill", 1, refused_then_repeated, "again", session=0),
        Case("B", "fail", 1, refused_then_repeated, "again", {"A": "event refused", "B": "connection dropped"}, session=0),
        Case("B", "kill", 2, primary_child_killed, "again", {"A": "event child-died", "B": "backupd is gone"}),
        Case("B", "fail", 2, primary_child_killed, "again", {"A": "event child-died", "B": "connection dropped"})],
}


def expectations():
    """Point -> its cases."""
    cases = {point: list(more) for point, more in SPECIAL.items()}
    for at, loop, deaths in (("A", PRIMARY_LOOP, PRIMARY_DEATHS), ("B", BACKUP_LOOP, BACKUP_DEATHS)):
        for number, (point, nth) in enumerate(loop.items()):
            cases[point] = loop_cases(at, number, nth, deaths) + cases.get(point, [])
    return cases


# ---- from the programs' own table to tests ----


def listed_points(daemon="remusd"):
    return subprocess.run([program(daemon), "--list-faults"], capture_output=True, text=True, check=True).stdout.split()


def without_expectation():
    known = expectations()
    return [point for point in listed_points() if not known.get(point)]


def tests(*prefixes):
    """(name, function) of every case of the listed points whose names begin so."""
    known = expectations()
    return [(case.name(point), lambda p=point, c=case: strike(p, c))
            for point in listed_points() if point.startswith(prefixes) for case in known.get(point, [])]
