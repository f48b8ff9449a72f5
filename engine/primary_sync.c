/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/primary.h"

/*
 * The first copy of a session is epoch 1, sent in place (WIRE_EPOCH_FULL) while the VM runs on its
 * own network: rounds over what is dirty, until little is left or rounds stop helping, then an
 * ordinary capture ends the epoch.
 */
#define ROUNDS_MAX 8
/* Few enough that the final capture is an ordinary epoch. */
#define FEW_PAGES 1024

static int fetch(struct primary *p, struct err *err)
{
    bitmap_zero(&p->todo);
    int rc = hv_fetch_dirty(p->vm, &p->todo, err);
    bitmap_or(&p->memory, &p->todo);
    return rc;
}

int primary_log(struct primary *p, struct err *err)
{
    if (hv_logging(p->vm))
        return 0;
    if (hv_log_start(p->vm, err) < 0)
        return -1;
    /* A fresh log says that all memory is dirty: that is what there is, without holes. */
    bitmap_zero(&p->memory);
    return 0;
}

/** All pages are to be sent, and what is written from here on is logged. */
static int everything(struct primary *p, struct err *err)
{
    if (primary_log(p, err) < 0 || fetch(p, err) < 0)
        return -1;
    bitmap_or(&p->todo, &p->memory);
    return 0;
}

void primary_sync_start(struct primary *p)
{
    struct err err;

    p->phase = PRIMARY_SYNCING;
    p->round = 1;
    p->late_stops = 0;
    p->sync_start = mono_now();
    p->sync_done = 0;
    p->epoch = 1;
    output_cut(&p->output, 0);
    capture_reset(&p->capture);
    sender_session(&p->sender, p->link);
    if (everything(p, &err) < 0) {
        primary_lost(p, "dirty-log", err_line(&err));
        return;
    }
    p->sync_total = bitmap_count(&p->todo);
    if (sender_begin(&p->sender, p->epoch, WIRE_EPOCH_FULL) < 0) {
        primary_lost(p, "memory", "no memory for the link");
        return;
    }
    child_event(&p->child, LOG_LEVEL_INFO, "sync-start", "first copy of %llu pages to %s begins",
                (unsigned long long)p->sync_total, p->rec.peer);
    sender_from_vm(&p->sender, &p->todo);
    p->coding = p->live = true;
    primary_code(p);
}

static bool good_enough(const struct primary *p, size_t dirty, size_t before)
{
    return dirty <= FEW_PAGES || dirty <= p->capture.ready_pages / 2 || p->round >= ROUNDS_MAX ||
           dirty > before - before / 4;
}

void primary_sync_round(struct primary *p)
{
    struct err err;
    size_t before = bitmap_count(&p->todo);

    p->sync_done += before;
    if (fetch(p, &err) < 0) {
        primary_lost(p, "dirty-log", err_line(&err));
        return;
    }
    size_t dirty = bitmap_count(&p->todo);
    p->sync_total += dirty;
    if (!good_enough(p, dirty, before)) {
        p->round++;
        sender_from_vm(&p->sender, &p->todo);
        primary_code(p);
        return;
    }
    p->coding = p->live = false;
    p->deadline = mono_now();
    /* From the first EPOCH_END on the backup may activate: remember that first. */
    if (primary_record(p, VM_PROTECTING) < 0) {
        primary_lost(p, "state-dir", "the VM's record could not be made durable");
        return;
    }
    if (output_take(&p->output, &err) < 0) {
        primary_lost(p, "network", err.text);
        return;
    }
    child_restore(&p->child, "network"); /* it is not on its own network, and need not be */
    primary_capture(p, &p->todo, p->goal == GOAL_FAILOVER);
}

json_t *primary_sync_status(const struct primary *p)
{
    if (p->phase != PRIMARY_SYNCING)
        return json_null();
    uint64_t in_round = p->live ? p->sender.next : 0;
    uint64_t done = p->sync_done + in_round;
    double s = (double)mono_sub(mono_now(), p->sync_start) / NS_PER_S;
    double rate = s > 0 ? (double)done / s : 0;
    double left = (double)(p->sync_total > done ? p->sync_total - done : 0);
    return json_pack("{s:I, s:I, s:f, s:f, s:i}", "pages_done", (json_int_t)done, "pages_total",
                     (json_int_t)p->sync_total, "bytes_per_s", rate * HV_PAGE_SIZE, "eta_s",
                     rate > 0 ? left / rate : 0.0, "round", (int)p->round);
}
