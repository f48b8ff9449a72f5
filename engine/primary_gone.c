/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/fault.h"
#include "engine/primary.h"

/*
 * The VM has run here for the last time: handed over, taken over, switched off or crashed.
 */

/** Its record says that a backup may run it, until it is gone: then this process has done its work.
 */
static void destroy_stale(struct primary *p, uint64_t generation)
{
    struct err err;

    if (generation > p->rec.generation)
        p->rec.generation = generation;
    (void)FAULT(primary_fenced);
    output_close(&p->output);
    if (hv_destroy(p->vm, &err) < 0) {
        child_event(&p->child, LOG_LEVEL_ERROR, "stale-not-destroyed",
                    "the stale copy here is stopped and silent but not destroyed: %s", err.text);
        return;
    }
    p->vm = NULL;
    if (primary_record(p, VM_FENCED) < 0)
        log_errx("the VM's record could not be made durable");
}

static void end(struct primary *p)
{
    if (p->vm)
        primary_end_for_now(p);
    else
        primary_end(p);
}

static void answer_taken_over(struct primary *p)
{
    if (p->goal == GOAL_FAILOVER)
        primary_reply_goal_ok(p);
    else
        primary_reply_goal_err(p, "refused", "", "the backup had taken the VM over");
}

void primary_handed_over(struct primary *p, uint64_t generation)
{
    child_event(&p->child, LOG_LEVEL_INFO, "handed-over",
                "the VM runs at %s under generation %llu; destroyed here", p->rec.peer,
                (unsigned long long)generation);
    destroy_stale(p, generation);
    answer_taken_over(p);
    end(p);
}

void primary_fenced(struct primary *p, const char *text, uint64_t generation)
{
    /* A first protect of a VM that nobody promised to a backup: it is not ours to destroy. */
    if (p->rec.state != VM_PROTECTING && !p->lease.in_force) {
        struct err err;
        (void)err_set(&err, "if the copy at the backup is gone: remusctl --backup forget VM there",
                      "the backup refused: %s", text);
        if (p->protect_id)
            primary_refuse(p, "refused", &err);
        else
            primary_lost(p, "fenced", text);
        return;
    }
    child_event(&p->child, LOG_LEVEL_WARN, "fenced",
                "the backup runs the VM (generation %llu): the stale copy here is destroyed: %s",
                (unsigned long long)generation, text);
    destroy_stale(p, generation);
    answer_taken_over(p);
    end(p);
}

void primary_vm_gone(struct primary *p, enum hv_gone how)
{
    bool session = p->phase == PRIMARY_SYNCING || p->phase == PRIMARY_RUNNING;

    if (p->goal == GOAL_VM_OFF || p->goal == GOAL_VM_LOST)
        return;
    if (p->goal_id)
        primary_reply_goal_err(p, "failed", "", "the VM is gone");
    child_event(&p->child, how == HV_SHUTDOWN ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
                how == HV_SHUTDOWN ? "vm-off" : "vm-crashed",
                how == HV_SHUTDOWN ? "the guest powered off, or is started anew here"
                                   : "the VM crashed or vanished");
    p->goal = how == HV_SHUTDOWN ? GOAL_VM_OFF : GOAL_VM_LOST;
    if (p->phase == PRIMARY_SYNCING && how == HV_CRASHED)
        p->goal = GOAL_VM_OFF; /* nothing sealed in this session: nothing to resume */
    primary_bound_leaving(p);
    dial_cancel(p->dial);
    p->dial = NULL;
    if (session && p->coding && !p->capture.staged) {
        /* Its pages went with it: silence lets the backup resume the last sealed epoch. */
        primary_lost(p, "vm-crashed", "the VM vanished while its memory was being sent");
        session = false;
    }
    if (p->phase == PRIMARY_ENDED)
        return;
    if (session)
        primary_leave_step(p);
    else if (!p->lease.in_force)
        primary_bye_acked(p);
}
