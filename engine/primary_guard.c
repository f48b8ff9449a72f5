/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/primary.h"

#include "engine/base/fault.h"

/*
 * What keeps two copies from speaking (I3): without a lease nothing is released (primary_sealed.c)
 * and the VM is stopped here. And what keeps the lease alive: a beat whenever no epoch asks for an
 * ack.
 */
#define VM_POLL_MS 500
/* Pause before the next attempt to stop a VM that has no lease. */
#define STOP_AGAIN_MS 50
/* Epochs without a seal that count as behind. */
#define BEHIND_EPOCHS 4

static void arm(struct event *ev, int64_t ns)
{
    struct timeval tv = mono_span_tv(ns);
    event_add(ev, &tv);
}

/* ---- lease ---- */

static void lease_check(struct primary *p)
{
    struct mono now = mono_now();
    if (!p->lease.in_force)
        return;
    if (lease_held_valid(&p->lease, now)) {
        arm(p->guard_ev, mono_sub(p->lease.expires, now));
        return;
    }
    (void)FAULT(primary_lease_lost);
    primary_hold(p, HOLD_LEASE);
    if (!hv_stopped(p->vm))
        arm(p->guard_ev, STOP_AGAIN_MS * NS_PER_MS);
    child_degrade(&p->child, "lease-lost",
                  "no lease from the backup: the VM is stopped and silent until it answers "
                  "(or: remusctl unprotect --force, if the backup surely does not run it)");
}

static void on_guard(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    lease_check(arg);
}

void primary_lease_start(struct primary *p, struct mono sent)
{
    if (p->lease.in_force)
        return;
    lease_held_start(&p->lease, sent, (int64_t)p->welcome.lease_ms * NS_PER_MS);
    lease_check(p);
}

void primary_lease_renew(struct primary *p, struct mono sent, uint32_t lease_ms)
{
    if (!p->lease.in_force || lease_ms > WIRE_LEASE_MAX_MS)
        return;
    lease_held_renew(&p->lease, sent, (int64_t)lease_ms * NS_PER_MS);
    if ((p->holds & HOLD_LEASE) && lease_held_valid(&p->lease, mono_now())) {
        child_restore(&p->child, "lease-lost");
        primary_let(p, HOLD_LEASE);
        lease_check(p);
    }
}

/* ---- beats and the fault detector ---- */

static void send_beat(struct primary *p)
{
    struct mono now = mono_now();
    struct msg_beat m = {.sent_ns = (uint64_t)now.ns};
    if (LINK_PUT(p->link, LINK_SMALL, session_put_beat, &m) < 0)
        return;
    p->last_asked = now;
    link_flush(p->link);
}

static void watch_backup(struct primary *p)
{
    struct mono now = mono_now();
    int64_t silent_ms = mono_sub(now, p->detector.last) / NS_PER_MS;

    /* In a first copy answers queue behind megabytes of pages, and no lease hangs on them. */
    /* And what waits in the socket was sent in time: this process was late. */
    bool patient = p->phase == PRIMARY_SYNCING && silent_ms < p->conf->detector_ceiling_ms;
    if (link_has_input(p->link))
        return;
    if (patient || !detector_suspects(&p->detector, now)) {
        child_restore(&p->child, "backup-silent");
        return;
    }
    child_degrade(&p->child, "backup-silent",
                  "nothing heard from the backup for longer than expected");
    /* Late answers are worth more than a new first copy, up to the ceiling. */
    if (silent_ms >= p->conf->detector_ceiling_ms)
        primary_lost(p, "backup-silent", "nothing heard from the backup up to the ceiling");
}

/** Output waits for a seal that does not come: not a failure yet, but never silent. */
static void watch_seals(struct primary *p)
{
    int64_t limit_ms = p->rec.epoch_ms * BEHIND_EPOCHS;
    if (limit_ms < p->conf->detector_floor_ms)
        limit_ms = p->conf->detector_floor_ms;
    int64_t age_ms = mono_sub(mono_now(), p->sealed_at) / NS_PER_MS;
    if (p->phase == PRIMARY_RUNNING && p->sealed > 0 && age_ms > limit_ms)
        child_degrade(&p->child, "behind", "no epoch sealed for more than %lld ms: output waits",
                      (long long)limit_ms);
}

/** Several beats per lease, whatever the two hosts' configurations say of each other. */
static int64_t beat_ns(const struct primary *p)
{
    int64_t ms = p->conf->beat_ms, lease_ms = p->welcome.lease_ms / 4;
    return (lease_ms > 0 && lease_ms < ms ? lease_ms : ms) * NS_PER_MS;
}

static void beat_if_due(struct primary *p)
{
    if (mono_sub(mono_now(), p->last_asked) >= beat_ns(p))
        send_beat(p);
}

/** A guest that takes its time to stop is no reason for the backup to take this host for dead, nor
 * for remusd to take this process for one that hangs. */
static void on_waiting(void *arg)
{
    struct primary *p = arg;

    primary_status_waiting(p);
    if (p->link && (p->phase == PRIMARY_SYNCING || p->phase == PRIMARY_RUNNING))
        beat_if_due(p);
}

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
    struct primary *p = arg;
    (void)fd;
    (void)what;

    if (p->link && (p->phase == PRIMARY_SYNCING || p->phase == PRIMARY_RUNNING)) {
        beat_if_due(p);
        watch_seals(p);
    }
    if (p->link && p->phase >= PRIMARY_SYNCING && p->phase <= PRIMARY_LEAVING)
        watch_backup(p);
    if (p->phase != PRIMARY_ENDED)
        arm(p->beat_ev, beat_ns(p));
}

void primary_heard(struct primary *p)
{
    if (p->phase == PRIMARY_GREETING)
        detector_init(&p->detector,
                      &(struct detector_conf){p->conf->detector_floor_ms * NS_PER_MS,
                                              p->conf->detector_ceiling_ms * NS_PER_MS},
                      mono_now());
    else
        detector_heard(&p->detector, mono_now());
}

/* ---- the VM's own life ---- */

/** A VM that was given a device since is not protected, whatever is sealed. */
static void watch_fitness(struct primary *p)
{
    const char *why = hv_vm_unfit(p->vm);

    p->unfit = why[0] != '\0';
    if (p->unfit)
        child_degrade(&p->child, "device", "a failover would not resume the VM as it is: %s", why);
    else
        child_restore(&p->child, "device");
}

static void vm_check(struct primary *p)
{
    /* Or a guest that stops late, but is to stand still, would be resumed by the look at it. */
    if (p->holds)
        primary_hold(p, 0);
    enum hv_gone how = hv_vm_gone(p->vm);
    if (p->phase == PRIMARY_ENDED) {
        primary_end_step(p, how);
        return;
    }
    if (how == HV_ALIVE) {
        primary_suspend_look(p);
        watch_fitness(p);
        return;
    }
    if (p->vm_ev)
        event_del(p->vm_ev); /* its end stays readable for ever */
    primary_vm_gone(p, how);
}

static void on_vm(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    vm_check(arg);
}

static void on_vm_poll(evutil_socket_t fd, short what, void *arg)
{
    struct primary *p = arg;
    (void)fd;
    (void)what;
    vm_check(p);
    if (p->phase != PRIMARY_ENDED || p->staying)
        arm(p->vm_poll_ev, VM_POLL_MS * NS_PER_MS);
}

int primary_guard_init(struct primary *p)
{
    struct event_base *base = p->child.base;
    lease_held_init(&p->lease);
    p->guard_ev = event_new(base, -1, 0, on_guard, p);
    p->beat_ev = event_new(base, -1, 0, on_beat, p);
    p->vm_poll_ev = event_new(base, -1, 0, on_vm_poll, p);
    if (!p->guard_ev || !p->beat_ev || !p->vm_poll_ev)
        return -1;
    if (hv_watch_fd(p->vm) >= 0) {
        p->vm_ev = event_new(base, hv_watch_fd(p->vm), EV_READ | EV_PERSIST, on_vm, p);
        if (!p->vm_ev || event_add(p->vm_ev, NULL) < 0)
            return -1;
    }
    hv_on_waiting(p->vm, on_waiting, p);
    arm(p->beat_ev, p->conf->beat_ms * NS_PER_MS);
    arm(p->vm_poll_ev, VM_POLL_MS * NS_PER_MS);
    return 0;
}

void primary_guard_stop(struct primary *p)
{
    struct event **all[] = {&p->guard_ev, &p->beat_ev, &p->vm_ev, &p->vm_poll_ev};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (*all[i])
            event_free(*all[i]);
        *all[i] = NULL;
    }
}
