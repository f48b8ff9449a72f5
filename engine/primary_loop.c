/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/primary.h"

#include <errno.h>

/* Longest stretch of coding between two looks at the event loop. */
#define CODE_SLICE_NS (1 * NS_PER_MS)
/* How often a VM that has not got over its last stop is looked at. */
#define REST_LOOK_MS 5
/* A guest that cannot be stopped this many times in a row is not going to be. */
#define LATE_STOPS_MAX 20

/**
 * The timer is a deadline: epochs follow the grid of the asked length. A late capture starts a new
 * grid, and the guest gets at least half an epoch to run, so that back-pressure stretches epochs
 * instead of starving the guest.
 */
static void arm_deadline(struct primary *p)
{
    int64_t epoch_ns = p->rec.epoch_ms * NS_PER_MS;
    struct mono now = mono_now();
    p->deadline = mono_max(mono_add(p->deadline, epoch_ns), mono_add(now, epoch_ns / 2));
    struct timeval tv = mono_span_tv(mono_sub(p->deadline, now));
    event_add(p->epoch_ev, &tv);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct primary *p = arg;
    (void)fd;
    (void)what;
    if (p->phase == PRIMARY_SYNCING && !p->coding) { /* the stop came too late: once more */
        primary_capture(p, &p->todo, p->goal == GOAL_FAILOVER);
        return;
    }
    p->late = p->late && p->due;
    p->due = true;
    primary_try_epoch(p);
}

static void on_code(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    primary_code(arg);
}

int primary_loop_init(struct primary *p)
{
    p->epoch_ev = event_new(p->child.base, -1, 0, on_deadline, p);
    p->code_ev = event_new(p->child.base, -1, 0, on_code, p);
    return p->epoch_ev && p->code_ev ? 0 : -1;
}

void primary_loop_reset(struct primary *p)
{
    event_del(p->epoch_ev);
    event_del(p->code_ev);
    window_init(&p->window);
    p->coding = p->live = p->due = p->late = false;
    p->sealed = p->epoch = p->in_place = 0;
    primary_let(p, HOLD_CODING);
}

/** What keeps a due epoch from being captured: the work before it is not done. */
static bool in_the_way(const struct primary *p)
{
    return p->coding || p->holds || p->window.count >= (size_t)p->conf->window_epochs ||
           link_full(p->link);
}

/** Nothing tells when it is: a timer asks again. */
static bool at_rest(struct primary *p)
{
    const struct timeval soon = {.tv_usec = REST_LOOK_MS * (NS_PER_MS / NS_PER_US)};

    if (hv_rested(p->vm))
        return true;
    event_add(p->epoch_ev, &soon);
    return false;
}

void primary_try_epoch(struct primary *p)
{
    if (p->phase != PRIMARY_RUNNING || !p->due || p->goal == GOAL_VM_LOST)
        return;
    if (in_the_way(p) || !at_rest(p)) {
        if (!p->late)
            p->missed++;
        p->late = true;
        return;
    }
    if (p->late)
        p->deadline = mono_now();
    p->due = p->late = false;
    p->epoch++;
    primary_capture(p, NULL, p->goal == GOAL_FAILOVER);
}

static void on_cut(void *arg)
{
    struct primary *p = arg;
    output_cut(&p->output, p->epoch);
}

static void capture_failed(struct primary *p, int error, struct err *err)
{
    if (hv_vm_gone(p->vm) != HV_ALIVE) {
        primary_vm_gone(p, hv_vm_gone(p->vm));
        return;
    }
    if (!hv_logging(p->vm)) {
        primary_part(p, "dirty-log-lost", err_line(err));
        return;
    }
    p->missed++;
    child_degrade(&p->child, "capture", "%s", err->text);
    if (hv_stopped(p->vm)) /* the next capture resumes it, if that is to be had by then */
        child_degrade(&p->child, "not-resumed", "the VM stands still after a failed capture");
    /* The first copy is too dear to be thrown away for a guest that was busy. */
    if (p->phase == PRIMARY_SYNCING && error == ETIMEDOUT && p->late_stops++ < LATE_STOPS_MAX) {
        arm_deadline(p);
        return;
    }
    if (p->phase == PRIMARY_SYNCING) { /* epoch 1 is already begun on the wire */
        primary_lost(p, "capture", err->text);
        return;
    }
    p->epoch--;
    arm_deadline(p);
}

static bool too_large(const struct primary *p)
{
    return p->phase == PRIMARY_RUNNING && p->capture.pages > p->welcome.staging_pages;
}

void primary_capture(struct primary *p, const struct bitmap *also, bool last)
{
    struct err err;
    int rc = capture_epoch(&p->capture, also, (int)p->conf->stop_timeout_ms, last, on_cut, p, &err);
    int error = errno;

    bitmap_or(&p->memory, &p->capture.dirty); /* the next first copy has it as well */
    if (rc < 0) {
        capture_failed(p, error, &err);
        return;
    }
    child_restore(&p->child, "capture");
    if (!hv_stopped(p->vm))
        child_restore(&p->child, "not-resumed");
    p->captured = mono_now();
    if (last)
        p->holds |= HOLD_LEAVING;
    if (!p->capture.staged)
        p->holds |= HOLD_CODING;

    uint32_t flags = too_large(p) ? WIRE_EPOCH_FULL : 0;
    if (flags) {
        p->in_place = p->epoch;
        child_degrade(
            &p->child, "epoch-in-place",
            "epochs exceed the backup's staging of %llu pages: not protected while one is on "
            "its way",
            (unsigned long long)p->welcome.staging_pages);
    }
    if (p->phase == PRIMARY_RUNNING && sender_begin(&p->sender, p->epoch, flags) < 0) {
        primary_lost(p, "memory", "no memory for the link");
        return;
    }
    if (p->capture.staged)
        sender_from_staging(&p->sender, p->capture.pfn, p->capture.pages, p->capture.staging);
    else
        sender_from_vm(&p->sender, &p->capture.dirty);
    p->coding = true;
    arm_deadline(p);
    primary_code(p);
}

static int finish_epoch(struct primary *p)
{
    struct window_entry e = {.epoch = p->epoch, .captured = p->captured};

    if (p->output.hold == WIRE_HOLD_BACKUP && sender_frames(&p->sender, &p->output.held) < 0)
        return -1;
    if (sender_addrs(&p->sender, &p->output.addrs) < 0)
        return -1;
    if (sender_end(&p->sender, p->capture.state, p->capture.state_len, p->capture.image_digest,
                   &e.sent) < 0)
        return -1;
    p->last_asked = e.sent;
    primary_lease_start(p, e.sent);
    (void)window_push(&p->window, &e); /* in_the_way keeps it below window_epochs <= WINDOW_MAX */
    return 0;
}

/** Its pages were read from the VM itself. False: it did not stand still. */
static bool let_after_coding(struct primary *p)
{
    if (!(p->holds & HOLD_CODING))
        return true;
    p->torn = false;
    hist_add(&p->capture.pause_us, mono_sub(mono_now(), p->captured) / NS_PER_US);
    primary_let(p, HOLD_CODING);
    return !p->torn;
}

static void epoch_coded(struct primary *p)
{
    if (!let_after_coding(p)) {
        primary_lost(p, "capture", "the VM was resumed by another tool while it was read");
        return;
    }
    if (finish_epoch(p) < 0) {
        primary_lost(p, "memory", "no memory for the link");
        return;
    }
    p->coding = false;
    link_flush(p->link);
    if (p->phase == PRIMARY_SYNCING)
        p->phase = PRIMARY_RUNNING;
    if (capture_grow(&p->capture) < 0)
        child_degrade(&p->child, "staging-memory",
                      "no memory for staging beyond %zu pages: larger epochs keep the VM stopped "
                      "while they are coded",
                      p->capture.ready_pages);
    else
        child_restore(&p->child, "staging-memory");
    if (p->goal != GOAL_PROTECT)
        primary_leave_step(p);
    else
        primary_try_epoch(p);
}

void primary_code(struct primary *p)
{
    struct err err;
    struct mono start = mono_now();

    while (p->coding) {
        int r = sender_step(&p->sender, &err);
        if (r < 0) {
            primary_lost(p, "coding", err.text);
            return;
        }
        if (r == 0) {
            if (p->live)
                primary_sync_round(p);
            else
                epoch_coded(p);
            return;
        }
        if (link_full(p->link)) { /* on_room goes on */
            link_flush(p->link);
            return;
        }
        if (mono_sub(mono_now(), start) >= CODE_SLICE_NS) {
            link_flush(p->link);
            struct timeval soon = {0}; /* behind the next look at sockets and timers */
            event_add(p->code_ev, &soon);
            return;
        }
    }
}
