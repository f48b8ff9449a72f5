/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "engine/base/fault.h"
#include "engine/primary.h"

/* Any record but PAGES, FRAMES, STATE and HELLO. */

void primary_close_link(struct primary *p, bool flush)
{
    if (!p->link)
        return;
    p->bytes_before += link_bytes_sent(p->link);
    link_free(p->link, flush);
    p->link = NULL;
    if (p->greet_ev)
        event_del(p->greet_ev);
}

void primary_lost(struct primary *p, const char *cause, const char *text)
{
    if (p->phase == PRIMARY_ENDED)
        return;
    primary_close_link(p, true);
    if (!p->ever_welcomed && p->protect_id) {
        struct err err;
        (void)err_set(&err, "see the backup's log", "%s", text);
        primary_refuse(p, "unreachable", &err);
        return;
    }
    child_degrade(&p->child, "unprotected", "%s: %s", cause, text);
    primary_parted(p);
}

void primary_parted(struct primary *p)
{
    primary_close_link(p, true);
    p->phase = PRIMARY_CONNECTING;
    primary_loop_reset(p);
    /* Nothing sealed could be activated: the guest needs no backup to speak, nor a way out. */
    if (!p->lease.in_force && p->goal != GOAL_PROTECT && p->goal != GOAL_FAILOVER) {
        primary_bye_acked(p);
        return;
    }
    if (!p->lease.in_force)
        primary_released(p);
    static const char *const of_session[] = {"behind", "backup-silent", "epoch-in-place"};
    for (size_t i = 0; i < ARRAY_LEN(of_session); i++)
        child_restore(&p->child, of_session[i]);
    primary_status_send(p);
    primary_retry_later(p);
}

/** No epoch of ours can be activated any more: the guest needs no lease and no held output. */
void primary_released(struct primary *p)
{
    struct err err;

    lease_held_end(&p->lease);
    child_restore(&p->child, "lease-lost");
    if (p->rec.state == VM_PROTECTING && primary_record(p, VM_WANTED) < 0)
        child_degrade(&p->child, "state-dir",
                      "the VM's record could not be made durable: a restart here stops the VM");
    if (output_give(&p->output, &err) < 0)
        child_degrade(&p->child, "network", "guest's network not restored: %s", err.text);
    else
        child_restore(&p->child, "network");
    primary_let(p, HOLD_LEASE | HOLD_LEAVING);
}

/* ---- records from the backup ---- */

static void on_welcome(struct primary *p, const struct msg_welcome *m)
{
    event_del(p->greet_ev);
    link_watch_host(p->link, 0); /* beats say more */
    p->welcome = *m;
    p->ever_welcomed = true;
    (void)FAULT(primary_welcomed);
    primary_released(p);
    child_reply_ok(&p->child, p->protect_id,
                   json_pack("{s:s, s:s}", "uuid", p->child.uuid_text, "name", p->child.name));
    p->protect_id = 0;
    child_event(&p->child, LOG_LEVEL_INFO, "connected", "backup %s accepted generation %llu",
                p->rec.peer, (unsigned long long)p->rec.generation);
    p->phase = PRIMARY_SYNCING;
    if (p->goal == GOAL_VM_LOST) /* what was sealed is dropped: there is nothing to resume */
        p->goal = GOAL_VM_OFF;
    if (p->goal == GOAL_PROTECT || p->goal == GOAL_FAILOVER)
        primary_sync_start(p);
    else
        primary_leave_step(p);
}

static const char *reject_code(uint16_t code)
{
    return code == WIRE_REJECT_BUSY ? "busy" : "refused";
}

static void on_reject(struct primary *p, const struct msg_reject *m)
{
    if (m->code == WIRE_REJECT_FENCED) {
        primary_fenced(p, m->text, m->generation);
        return;
    }
    /* It made our generation durable, which gives up everything older, and then failed. */
    if (m->code == WIRE_REJECT_FAILED && m->generation == p->rec.generation)
        primary_released(p);
    if (!p->ever_welcomed && p->protect_id) {
        struct err err;
        /* A backup that remembers a later generation while this host remembers none: go beyond it.
         */
        if (m->code == WIRE_REJECT_GENERATION && m->generation >= p->rec.generation &&
            !p->had_rec && !p->beyond) {
            p->rec.generation = m->generation;
            p->beyond = true;
            primary_close_link(p, false);
            primary_connect(p);
            return;
        }
        (void)err_set(&err, "see the backup's log", "the backup refused: %s", m->text);
        primary_refuse(p, reject_code(m->code), &err);
        return;
    }
    char text[WIRE_TEXT_MAX + 32];
    snprintf(text, sizeof(text), "the backup refused: %s", m->text);
    primary_lost(p, "rejected", text);
}

static void on_bye(struct primary *p, const struct msg_bye *m)
{
    char text[WIRE_TEXT_MAX + 64];
    if (LINK_PUT(p->link, LINK_SMALL, session_put_bye_ack) < 0)
        log_debug("BYE not acknowledged");
    primary_released(p);
    if (p->goal != GOAL_PROTECT && p->goal != GOAL_FAILOVER) {
        primary_bye_acked(p);
        return;
    }
    primary_failover_refused(p, m->text);
    snprintf(text, sizeof(text), "the backup left: %s", m->text);
    primary_lost(p, "backup-left", text);
}

static void on_frames_in(struct primary *p, const struct msg_frames *m)
{
    struct frames_iter it = {0};
    const uint8_t *frame;
    uint32_t len;
    while (msg_frames_next(m, &it, &frame, &len))
        output_inject(&p->output, frame, len);
}

static void on_beat_ack(struct primary *p, const struct msg_ack *m)
{
    /* Only times that we stamped ourselves, and not in the future, can extend the lease. */
    struct mono sent = {(int64_t)m->sent_ns};
    if (m->sent_ns <= INT64_MAX && !mono_before(p->last_asked, sent))
        primary_lease_renew(p, sent, m->lease_ms);
    primary_try_epoch(p); /* the VM may run again: nothing else asks for the epoch that was due */
}

static void on_record(struct link *link, const struct session_event *ev, void *arg)
{
    struct primary *p = arg;
    (void)link;

    if (p->phase == PRIMARY_ENDED)
        return;
    primary_heard(p);
    switch (ev->type) {
    case WIRE_WELCOME:
        on_welcome(p, &ev->u.welcome);
        break;
    case WIRE_ACK:
        primary_sealed(p, &ev->u.ack);
        break;
    case WIRE_BEAT_ACK:
        on_beat_ack(p, &ev->u.ack);
        break;
    case WIRE_FRAMES_IN:
        on_frames_in(p, &ev->u.frames);
        break;
    case WIRE_HANDOVER_ACK:
        primary_handed_over(p, ev->u.handover_ack.generation);
        break;
    case WIRE_REJECT:
        on_reject(p, &ev->u.reject);
        break;
    case WIRE_BYE:
        on_bye(p, &ev->u.bye);
        break;
    case WIRE_BYE_ACK:
        primary_bye_acked(p);
        break;
    default: /* the session lets nothing else through to a primary */
        break;
    }
}

static void on_end(struct link *link, enum link_end why, const char *text, void *arg)
{
    static const char *const cause[] = {
        [LINK_EOF] = "link-lost", [LINK_ERROR] = "link-lost", [LINK_PROTOCOL] = "protocol"};
    (void)link;
    primary_lost(arg, cause[why], text);
}

static void on_room(struct link *link, void *arg)
{
    struct primary *p = arg;
    (void)link;
    if (p->coding)
        primary_code(p);
    else
        primary_try_epoch(p);
}

const struct link_ops primary_link_ops = {on_record, on_end, on_room};
