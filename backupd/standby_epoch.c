/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/standby.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/fault.h"

/** Refuses to go on in this session. What is sealed stays, and with it the right to activate. */
static void refuse(struct standby *s, uint16_t code, const char *text)
{
    struct msg_reject m = {.code = code, .generation = 0};
    snprintf(m.text, sizeof(m.text), "%s", text);
    if (LINK_PUT(s->link, LINK_SMALL, session_put_reject, &m) < 0)
        log_debug("REJECT not sent");
    standby_link_lost(s, text);
}

void standby_link_lost(struct standby *s, const char *text)
{
    if (s->parting) {
        standby_parted(s);
        return;
    }
    link_free(s->link, true);
    s->link = NULL;
    if (s->store_open)
        store_abandon(&s->store);
    /* What was released is gone; what is left belongs to no sealed epoch and never happened. */
    frameq_clear(&s->held);
    if (s->phase == STANDBY_READY || s->phase == STANDBY_RECEIVING)
        child_degrade(&s->child, "link-lost", "no connection from the primary: %s", text);
    if (s->phase == STANDBY_RECEIVING) {
        s->phase = STANDBY_FAILED;
        standby_drop_replica(s);
        child_event(&s->child, LOG_LEVEL_WARN, "incomplete",
                    "the session ended before an epoch was sealed: nothing here can be resumed");
    }
    standby_watch(s);
}

void standby_release(struct standby *s, uint16_t reason, const char *text)
{
    struct msg_bye m = {.reason = reason};
    snprintf(m.text, sizeof(m.text), "%s", text);
    /* The promise first, then the word; without the promise no word, but the replica goes anyway.
     */
    bool durable = standby_record(s, VM_RELEASED, s->rec.generation) == 0;
    lease_granted_init(&s->granted);
    s->phase = STANDBY_WAITING;
    s->forced = false;
    standby_drop_replica(s);
    child_event(&s->child, LOG_LEVEL_INFO, "released", "the replica is given up: %s", text);
    if (!durable) {
        link_free(s->link, false);
        s->link = NULL;
    }
    if (!s->link)
        return;
    if (LINK_PUT(s->link, LINK_SMALL, session_put_bye, &m) < 0)
        log_debug("BYE not sent");
    link_flush(s->link);
    standby_part(s);
}

static void put_ack(struct standby *s, uint64_t epoch, uint64_t sent_ns, bool seal)
{
    /* A takeover is ordered or under way: no more promises. */
    if (s->forced || s->phase == STANDBY_ACTIVATING || s->phase == STANDBY_ACTIVE)
        return;
    int64_t lease_ns = detector_timeout(&s->detector);
    struct msg_ack m = {
        .epoch = epoch, .sent_ns = sent_ns, .lease_ms = (uint32_t)(lease_ns / NS_PER_MS)};
    /* Promised before it can be received. */
    lease_granted_give(&s->granted, mono_now(), lease_ns);
    int rc = seal ? LINK_PUT(s->link, LINK_SMALL, session_put_ack, &m)
                  : LINK_PUT(s->link, LINK_SMALL, session_put_beat_ack, &m);
    if (rc < 0)
        log_warn("ack not sent");
    link_flush(s->link);
}

static void on_begin(struct standby *s, const struct msg_epoch_begin *m)
{
    store_begin(&s->store, m);
    if (s->store.in_place && (s->phase == STANDBY_READY || s->phase == STANDBY_SUSPECT)) {
        s->phase = STANDBY_RECEIVING;
        child_restore(&s->child, "primary-silent");
        child_degrade(&s->child, "epoch-in-place",
                      "an epoch larger than staging is being written in place: not protected until "
                      "it is sealed");
    }
}

static void on_pages(struct standby *s, const struct msg_pages *m)
{
    struct err err;
    (void)FAULT(backup_pages);
    if (store_pages(&s->store, m, &err) == 0)
        return;
    if (errno == EBADMSG)
        refuse(s, WIRE_REJECT_PROTOCOL, err.text);
    else if (s->store.in_place)
        standby_release(s, WIRE_BYE_FAILED, err.text);
    else
        refuse(s, errno == ENOSPC ? WIRE_REJECT_TOO_LARGE : WIRE_REJECT_FAILED, err.text);
}

static void on_frames(struct standby *s, const struct msg_frames *m)
{
    struct frames_iter it = {0};
    const uint8_t *frame;
    uint32_t len;
    while (msg_frames_next(m, &it, &frame, &len)) {
        store_frame(&s->store, frame, len);
        (void)frameq_push(&s->held, m->epoch, frame, len); /* full: dropped and counted */
    }
}

static void sealed_first(struct standby *s)
{
    s->phase = STANDBY_READY;
    if (s->hold == WIRE_HOLD_BACKUP) /* from now on the guest is reached here */
        standby_net_arrive(s);
    child_restore(&s->child, "link-lost");
    child_restore(&s->child, "primary-silent");
    child_restore(&s->child, "epoch-in-place");
    child_event(&s->child, LOG_LEVEL_INFO, "ready",
                "epoch %llu of generation %llu can be resumed here",
                (unsigned long long)s->store.sealed, (unsigned long long)s->rec.generation);
    standby_watch(s);
    standby_status_send(s); /* who saw it at the primary sees it here too */
}

static void on_epoch_end(struct standby *s, const struct msg_epoch_end *m)
{
    struct err err;

    (void)FAULT(backup_epoch_end);
    if (store_verify(&s->store, m, &err) < 0) {
        refuse(s, WIRE_REJECT_PROTOCOL, err.text);
        return;
    }
    (void)FAULT(backup_verified);
    store_seal(&s->store);
    s->sealed_epoch = s->store.sealed;
    s->sealed_at = mono_now();
    s->seals++;
    (void)FAULT(backup_sealed);
    put_ack(s, m->epoch, m->sent_ns, true);
    (void)FAULT(backup_acked);
    standby_net_release(s, s->store.sealed);
    (void)FAULT(backup_released);
    if (store_apply(&s->store, &err) < 0 ||
        store_check_image(&s->store, m->image_digest, &err) < 0) {
        s->store.usable = false;
        child_event(&s->child, LOG_LEVEL_ERROR, "replica-failed", "%s", err.text);
        standby_release(s, WIRE_BYE_FAILED, err.text);
        return;
    }
    (void)FAULT(backup_applied);
    if (s->phase != STANDBY_READY)
        sealed_first(s);
}

static void on_bye(struct standby *s, const struct msg_bye *m)
{
    if (standby_record(s, VM_RELEASED, s->rec.generation) < 0) {
        refuse(s, WIRE_REJECT_FAILED, "the end of protection could not be made durable");
        return; /* no acknowledgement: the primary must not count on it */
    }
    lease_granted_init(&s->granted);
    s->phase = STANDBY_WAITING;
    standby_drop_replica(s);
    child_event(&s->child, LOG_LEVEL_INFO, "released", "the primary ended protection: %s", m->text);
    if (LINK_PUT(s->link, LINK_SMALL, session_put_bye_ack) < 0)
        log_warn("BYE not acknowledged");
    link_free(s->link, true);
    s->link = NULL;
    standby_status_send(s);
    standby_idle(s);
}

static void on_handover(struct standby *s, const struct msg_handover *m)
{
    bool planned = m->reason == WIRE_HANDOVER_PLANNED;
    if (!s->store.usable || m->epoch > s->store.sealed ||
        (planned && m->epoch != s->store.sealed)) {
        refuse(s, WIRE_REJECT_PROTOCOL, "HANDOVER names an epoch that is not the sealed one");
        return;
    }
    standby_takeover_now(s, planned ? "planned failover" : "the VM crashed at the primary");
}

void standby_record_in(struct standby *s, const struct session_event *ev)
{
    if (s->parting) { /* what was on its way when we said BYE no longer counts */
        if (ev->type == WIRE_BYE_ACK || ev->type == WIRE_REJECT)
            standby_parted(s);
        return;
    }
    switch (ev->type) {
    case WIRE_EPOCH_BEGIN:
        on_begin(s, &ev->u.begin);
        break;
    case WIRE_PAGES:
        on_pages(s, &ev->u.pages);
        break;
    case WIRE_STATE:
        store_state(&s->store, &ev->u.state);
        break;
    case WIRE_FRAMES:
        on_frames(s, &ev->u.frames);
        break;
    case WIRE_ADDRS:
        store_addrs(&s->store, &ev->u.addrs);
        break;
    case WIRE_EPOCH_END:
        on_epoch_end(s, &ev->u.end);
        break;
    case WIRE_BEAT:
        put_ack(s, s->store.sealed, ev->u.beat.sent_ns, false);
        break;
    case WIRE_HANDOVER:
        on_handover(s, &ev->u.handover);
        break;
    case WIRE_BYE:
        on_bye(s, &ev->u.bye);
        break;
    case WIRE_REJECT: /* the primary cannot go on with this session */
        standby_link_lost(s, ev->u.reject.text);
        break;
    default: /* the session lets nothing else through to a backup */
        break;
    }
}
