/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/primary.h"

#include <stdio.h>

#include "engine/base/fault.h"

/*
 * Every way out of protection. BYE and HANDOVER are announced ends: the other side never takes them
 * for a death, and this side acts on them only when they are acknowledged, because until then the
 * backup may activate.
 */
#define LEAVE_TIMEOUT_MS 3000

void primary_reply_goal_err(struct primary *p, const char *code, const char *hint, const char *text)
{
    struct err err;
    (void)err_set(&err, hint, "%s", text);
    child_reply_err(&p->child, p->goal_id, code, &err);
    p->goal_id = 0;
}

/** For a child that ends now. */
void primary_reply_goal_ok(struct primary *p)
{
    child_reply_last(&p->child, p->goal_id, NULL, NULL);
    p->goal_id = 0;
}

static void forget_record(struct primary *p)
{
    struct err err;
    if (vmrecord_remove(p->conf->state_dir, &p->child.uuid, &err) < 0)
        log_errx("%s", err.text);
}

static void unprotect_by_force(struct primary *p)
{
    child_event(&p->child, LOG_LEVEL_WARN, "unprotect-forced",
                "protection ended without the backup's word");
    primary_released(p);
    forget_record(p);
    primary_reply_goal_ok(p);
    primary_end(p);
}

static void on_leave_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct primary *p = arg;
    (void)fd;
    (void)what;
    if (p->force) {
        unprotect_by_force(p);
        return;
    }
    if (!p->lease.in_force) { /* there is nothing that could be resumed */
        primary_bye_acked(p);
        return;
    }
    primary_hold(p, HOLD_LEASE);
    /* Not acknowledged: the backup may activate. The guest stays silent; its record says so. */
    child_event(&p->child, LOG_LEVEL_ERROR, "left-unacknowledged",
                "the backup did not acknowledge: it may resume the VM");
    primary_end(p);
}

void primary_bound_leaving(struct primary *p)
{
    if (!p->leave_ev)
        p->leave_ev = event_new(p->child.base, -1, 0, on_leave_timeout, p);
    struct timeval tv = mono_span_tv(LEAVE_TIMEOUT_MS * NS_PER_MS);
    event_add(p->leave_ev, &tv);
}

static void send_bye(struct primary *p)
{
    static const struct msg_bye bye[] = {
        [GOAL_PROTECT] = {WIRE_BYE_FAILED, "its dirty log was lost"},
        [GOAL_UNPROTECT] = {WIRE_BYE_UNPROTECT, "unprotected by the operator"},
        [GOAL_SHUTDOWN] = {WIRE_BYE_SHUTDOWN, "remusd stops"},
        [GOAL_VM_OFF] = {WIRE_BYE_VM_OFF, "the guest powered off"},
    };
    if (LINK_PUT(p->link, LINK_SMALL, session_put_bye, &bye[p->goal]) < 0) {
        primary_lost(p, "memory", "BYE could not be sent");
        return;
    }
    link_flush(p->link);
    primary_loop_reset(p);
    p->phase = PRIMARY_LEAVING;
}

void primary_part(struct primary *p, const char *cause, const char *text)
{
    primary_failover_refused(p, text);
    /* Nothing is sealed, or the VM is gone: then the backup may as well take it for dead. */
    if (p->phase != PRIMARY_RUNNING || p->goal != GOAL_PROTECT) {
        primary_lost(p, cause, text);
        return;
    }
    child_degrade(&p->child, "unprotected", "%s: %s", cause, text);
    send_bye(p);
}

static void send_handover(struct primary *p, enum wire_handover reason)
{
    struct msg_handover m = {.epoch = p->sealed, .reason = (uint8_t)reason};

    (void)FAULT(primary_handover);
    if (LINK_PUT(p->link, LINK_SMALL, session_put_handover, &m) < 0) {
        primary_lost(p, "memory", "HANDOVER could not be sent");
        return;
    }
    link_flush(p->link);
    p->phase = PRIMARY_LEAVING;
}

static void failover_step(struct primary *p)
{
    if (p->phase != PRIMARY_RUNNING)
        return; /* the first copy has to end; its capture is then the last */
    if (!(p->holds & HOLD_LEAVING)) {
        p->due = true;
        primary_try_epoch(p);
    } else if (!p->coding && p->sealed == p->epoch) {
        send_handover(p, WIRE_HANDOVER_PLANNED);
    }
}

void primary_leave_step(struct primary *p)
{
    if (p->phase != PRIMARY_SYNCING && p->phase != PRIMARY_RUNNING)
        return;
    switch (p->goal) {
    case GOAL_PROTECT:
        break;
    case GOAL_FAILOVER:
        failover_step(p);
        break;
    case GOAL_VM_LOST:
        /* What is captured is still coded and counts. */
        if (p->phase == PRIMARY_RUNNING && !p->coding && p->sealed > 0)
            send_handover(p, WIRE_HANDOVER_CRASHED);
        break;
    default:
        send_bye(p);
    }
}

/** Answers `id` when a failover would have to wait until another tool is done with the VM. */
static bool failover_has_to_wait(struct primary *p, enum primary_goal goal, json_int_t id)
{
    bool parting = p->goal == GOAL_PROTECT && p->phase == PRIMARY_LEAVING;
    struct err err;

    if (goal != GOAL_FAILOVER || !(parting || p->no_log))
        return false;
    (void)err_set(&err, "wait until it is protected again",
                  "the VM's dirty log was lost, and with it the copy at the backup");
    child_reply_err(&p->child, id, "busy", &err);
    return true;
}

/** Answers `id` when the way out that was begun does not allow `goal` too. */
static bool already_leaving(struct primary *p, enum primary_goal goal, json_int_t id)
{
    if (p->goal == GOAL_PROTECT)
        return false;
    bool begun = p->goal != GOAL_FAILOVER || p->phase == PRIMARY_LEAVING;
    if (goal == GOAL_SHUTDOWN && !begun) {
        primary_reply_goal_err(p, "failed", "start remusd again",
                               "remusd stops before the failover");
        return false;
    }
    if (goal == GOAL_SHUTDOWN) {
        primary_bound_leaving(p); /* what was begun is brought to its end, but not for ever */
        return true;
    }
    struct err err;
    (void)err_set(&err, "wait for it, or unprotect --force", "protection is already ending");
    child_reply_err(&p->child, id, "busy", &err);
    return true;
}

/** Without the backup's word, but not without telling it when it can be told. */
static void leave_by_force(struct primary *p, json_int_t id)
{
    if (p->goal_id)
        primary_reply_goal_err(p, "busy", "", "overtaken by unprotect --force");
    p->goal_id = id;
    /* LEAVING too: the answer to what was said last decides where the VM may run. */
    bool session = p->phase >= PRIMARY_SYNCING && p->phase <= PRIMARY_LEAVING;
    if (p->force || !session) {
        unprotect_by_force(p);
        return;
    }
    p->force = true;
    p->goal = GOAL_UNPROTECT;
    primary_bound_leaving(p);
    primary_leave_step(p);
}

void primary_leave(struct primary *p, enum primary_goal goal, json_int_t id, bool force)
{
    if (goal == GOAL_UNPROTECT && force) {
        leave_by_force(p, id);
        return;
    }
    if (failover_has_to_wait(p, goal, id) || already_leaving(p, goal, id))
        return;
    p->goal = goal;
    p->goal_id = id;
    if (goal == GOAL_SHUTDOWN)
        primary_bound_leaving(p); /* otherwise a person waits and can give up */
    bool waiting = p->phase == PRIMARY_CONNECTING || p->phase == PRIMARY_GREETING;
    if (p->phase == PRIMARY_SYNCING || p->phase == PRIMARY_RUNNING)
        primary_leave_step(p);
    else if (!p->lease.in_force && goal != GOAL_FAILOVER && waiting)
        primary_bye_acked(p); /* nobody holds anything that could be activated */
}

void primary_failover_refused(struct primary *p, const char *text)
{
    if (p->goal != GOAL_FAILOVER)
        return;
    p->goal = GOAL_PROTECT;
    primary_reply_goal_err(p, "refused", "the VM goes on here", text);
}

void primary_bye_acked(struct primary *p)
{
    primary_released(p);
    if (p->goal == GOAL_PROTECT) { /* by primary_part: another session, when there is a log */
        primary_parted(p);
        return;
    }
    if (p->goal == GOAL_SHUTDOWN) {
        if (primary_record(p, VM_WANTED) < 0)
            log_errx(
                "protection resumes with a stopped VM: its record says that a backup may run it");
    } else {
        forget_record(p);
    }
    child_event(&p->child, LOG_LEVEL_INFO, "unprotected", "protection ended");
    primary_reply_goal_ok(p);
    primary_end(p);
}
