/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/primary.h"

/*
 * The end of the process. A stop that was given up on may be obeyed late, and nobody but this
 * process would let the VM run again: it stays until that cannot come any more.
 */
static const char waiting[] =
    "protection has ended; waiting for the guest to answer a suspend that "
    "was asked, to resume it";

static bool has_to_stay(struct primary *p)
{
    /* One that is to stand still may as well stop late. */
    return p->vm && !p->holds && !hv_stopped(p->vm) && !hv_settled(p->vm);
}

static void leave(struct primary *p)
{
    p->staying = false;
    primary_status_send(p);
    child_done(&p->child);
    event_base_loopbreak(p->child.base);
}

/** Nothing but looks at the VM, status and commands happens from now on. */
static void stay(struct primary *p)
{
    primary_loop_reset(p);
    dial_cancel(p->dial);
    p->dial = NULL;
    if (p->leave_ev)
        event_del(p->leave_ev);
    p->staying = true;
    child_degrade(&p->child, "late-stop", "%s", waiting);
    primary_status_send(p);
}

void primary_end(struct primary *p)
{
    p->phase = PRIMARY_ENDED;
    primary_close_link(p, true);
    if (has_to_stay(p))
        stay(p);
    else
        leave(p);
}

void primary_end_step(struct primary *p, enum hv_gone how)
{
    if (!p->staying || (how == HV_ALIVE && has_to_stay(p)))
        return;
    child_restore(&p->child, "late-stop");
    leave(p);
}

void primary_end_busy(struct primary *p, json_int_t id)
{
    struct err err;

    (void)err_set(&err, "wait for it", "%s", waiting);
    child_reply_err(&p->child, id, "busy", &err);
}

void primary_end_for_now(struct primary *p)
{
    p->phase = PRIMARY_ENDED;
    primary_close_link(p, true);
    event_base_loopbreak(p->child.base);
}
