/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/standby.h"

#include <errno.h>

#include "engine/base/fault.h"

/*
 * The decision to resume the VM here. Two things must be over: the detector's time-out (the primary
 * is silent) and every lease ever granted plus the margin (the primary, if it lives, has stopped
 * the VM). A HANDOVER is the primary's own word and needs neither.
 */
#define RETRY_MS 1000

void standby_watch_after(struct standby *s, int64_t ns)
{
    struct timeval tv = mono_span_tv(ns);
    event_add(s->watch_ev, &tv);
}

bool standby_can_activate(const struct standby *s)
{
    return s->replica && s->store_open && s->store.usable && s->store.sealed > 0;
}

static struct mono activation_time(const struct standby *s)
{
    struct mono lease = lease_granted_free_at(&s->granted, s->conf->lease_margin_ms * NS_PER_MS);
    return s->forced ? lease : mono_max(lease, detector_deadline(&s->detector));
}

/** Without a whole epoch there is nothing to wait for (I2). */
static void nothing_to_resume(struct standby *s)
{
    s->phase = s->link ? STANDBY_RECEIVING : STANDBY_FAILED;
    s->forced = false;
    child_event(&s->child, LOG_LEVEL_ERROR, "incomplete",
                "the primary is silent and no whole epoch is here: nothing can be resumed");
}

static void suspect(struct standby *s, struct mono now)
{
    if (!standby_can_activate(s)) {
        nothing_to_resume(s);
        return;
    }
    if (s->phase != STANDBY_SUSPECT) {
        s->phase = STANDBY_SUSPECT;
        (void)FAULT(backup_suspect);
        child_degrade(&s->child, "primary-silent",
                      s->forced
                          ? "takeover ordered; waiting for the lease to run out"
                          : "the primary is silent; it is resumed here when its lease is over");
    }
    struct mono at = activation_time(s);
    if (mono_before(now, at)) {
        standby_watch_after(s, mono_sub(at, now));
        return;
    }
    standby_takeover_now(s, s->forced ? "ordered by the operator" : "the primary is silent");
}

/** Nothing is promised yet; but a dead host closes no connection, and half a copy must not stay in
 * memory for ever. */
static void watch_receiving(struct standby *s, struct mono now)
{
    int64_t left = s->conf->detector_ceiling_ms * NS_PER_MS - mono_sub(now, link_heard(s->link));

    if (left > 0)
        standby_watch_after(s, left);
    else if (link_has_input(s->link)) /* late ourselves */
        standby_watch_after(s, RETRY_MS * NS_PER_MS);
    else
        standby_link_lost(s, "the primary is silent");
}

void standby_watch(struct standby *s)
{
    struct mono now = mono_now();

    if (s->phase == STANDBY_ACTIVE || s->phase == STANDBY_UNSURE) {
        standby_watch_active(s);
        return;
    }
    if (s->phase == STANDBY_RECEIVING && s->link) {
        watch_receiving(s, now);
        return;
    }
    if (s->phase == STANDBY_ACTIVATING) { /* an activation failed: try again */
        standby_takeover_now(s, "trying again");
        return;
    }
    if (s->phase != STANDBY_READY && s->phase != STANDBY_SUSPECT)
        return;
    /* Late ourselves: what waits in the socket was sent in time. Once; then it had its turn. */
    if (s->link && link_has_input(s->link) && !s->forced && s->deferred.ns != s->detector.last.ns) {
        s->deferred = s->detector.last;
        standby_watch_after(s, NS_PER_MS);
        return;
    }
    /* A large record takes its time on a slow link, and its parts show life as well; but not for
     * ever. */
    int64_t ceiling = s->conf->detector_ceiling_ms * NS_PER_MS;
    if (s->link && mono_sub(link_heard(s->link), s->record_at) < ceiling)
        detector_heard(&s->detector, link_heard(s->link));
    if (s->forced || detector_suspects(&s->detector, now)) {
        suspect(s, now);
        return;
    }
    if (s->phase == STANDBY_SUSPECT) {
        s->phase = STANDBY_READY;
        child_restore(&s->child, "primary-silent");
    }
    standby_watch_after(s, mono_sub(detector_deadline(&s->detector), now));
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    standby_watch(arg);
}

int standby_watch_init(struct standby *s)
{
    lease_granted_init(&s->granted);
    s->watch_ev = event_new(s->child.base, -1, 0, on_watch, s);
    return s->watch_ev ? 0 : -1;
}

static void tell_primary(struct standby *s)
{
    struct msg_handover_ack m = {.epoch = s->sealed_epoch, .generation = s->rec.generation};

    if (!s->link)
        return;
    if (link_session(s->link)->state == SESSION_HANDED &&
        LINK_PUT(s->link, LINK_SMALL, session_put_handover_ack, &m) < 0)
        log_warn("HANDOVER not acknowledged");
    link_free(s->link, true);
    s->link = NULL;
}

static void activated(struct standby *s, const char *why)
{
    int64_t silent_ms = mono_sub(mono_now(), s->detector.last) / NS_PER_MS;

    s->replica = NULL; /* it is the VM now, and no longer ours */
    s->phase = STANDBY_ACTIVE;
    s->forced = false;
    (void)FAULT(backup_activated);
    if (standby_record(s, VM_ACTIVE, s->rec.generation) < 0)
        log_warnx("the record still says 'activating'; the running VM says the rest");
    child_restore(&s->child, "primary-silent");
    child_restore(&s->child, "link-lost");
    child_restore(&s->child, "activation");
    child_event(
        &s->child, LOG_LEVEL_WARN, "activated",
        "the VM runs here from epoch %llu under generation %llu, %lld ms after the last record "
        "from the primary: %s",
        (unsigned long long)s->sealed_epoch, (unsigned long long)s->rec.generation,
        (long long)silent_ms, why);
    tell_primary(s);
    store_free(&s->store);
    s->store_open = false;
    child_reply_ok(&s->child, s->failover_id, NULL);
    s->failover_id = 0;
    standby_status_send(s);
    standby_watch_after(s, STANDBY_ACTIVE_NS);
}

/** As after a takeover that was interrupted: what becomes of the VM is for the operator to say. */
static void replica_lost(struct standby *s, struct err *err)
{
    standby_drop_replica(s);
    s->phase = STANDBY_FAILED;
    s->forced = false;
    child_restore(&s->child, "primary-silent");
    child_degrade(&s->child, "activation",
                  "the VM could not be resumed here, and its replica was lost: %s", err_line(err));
    child_reply_err(&s->child, s->failover_id, "failed", err);
    s->failover_id = 0;
    standby_status_send(s);
}

static void activation_failed(struct standby *s, bool lost, struct err *err)
{
    bool handed = s->link && link_session(s->link)->state == SESSION_HANDED;

    if (lost && !handed) {
        replica_lost(s, err);
        return;
    }
    child_degrade(&s->child, "activation", "the VM could not be resumed here: %s", err->text);
    if (handed) {
        /* The primary still has the VM, stopped: it can resume it there. */
        standby_release(s, WIRE_BYE_FAILED, err->text);
        return;
    }
    standby_watch_after(s, RETRY_MS * NS_PER_MS);
}

/** Nothing of the session counts any more, except a HANDOVER that waits for its answer. */
static void end_session(struct standby *s)
{
    store_abandon(&s->store);
    frameq_clear(&s->held);
    if (s->link && link_session(s->link)->state != SESSION_HANDED) {
        link_free(s->link, false);
        s->link = NULL;
    }
}

void standby_takeover_now(struct standby *s, const char *why)
{
    struct err err;

    if (s->phase != STANDBY_ACTIVATING) {
        (void)FAULT(backup_generation);
        if (standby_record(s, VM_ACTIVATING, s->rec.generation + 1) < 0) {
            /* Not durable: not allowed. Try again. */
            child_degrade(&s->child, "activation",
                          "takeover waits: the new generation is not durable");
            standby_watch_after(s, RETRY_MS * NS_PER_MS);
            return;
        }
        s->phase = STANDBY_ACTIVATING;
        end_session(s);
        child_event(&s->child, LOG_LEVEL_WARN, "takeover", "taking over: %s", why);
    }
    standby_export_cancel(s, 0, "the VM is being resumed here");
    (void)FAULT(backup_before_activate);
    const char *net = s->hold == WIRE_HOLD_NONE ? NULL : s->port_spec;
    /* Our port speaks for the guest before the guest does, never after it. */
    standby_net_announce(s);
    standby_net_close(s);
    if (hv_activate(s->replica, net, &err) < 0)
        activation_failed(s, errno == ESRCH, &err);
    else
        activated(s, why);
}

void standby_force(struct standby *s, json_int_t id)
{
    struct err err;

    if (!standby_can_activate(s) || s->phase == STANDBY_ACTIVATING || s->phase == STANDBY_ACTIVE) {
        (void)err_set(&err, "see remusctl --backup status",
                      "no sealed epoch of this VM to resume here");
        child_reply_err(&s->child, id, "refused", &err);
        return;
    }
    s->failover_id = id;
    s->forced = true;
    child_event(&s->child, LOG_LEVEL_WARN, "takeover-ordered",
                "takeover ordered by the operator: waiting for the lease");
    link_free(s->link, false);
    s->link = NULL;
    standby_watch(s);
}
