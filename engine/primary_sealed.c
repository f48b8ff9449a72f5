/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/fault.h"
#include "engine/primary.h"

#define RELEASE_BATCH 64

/** A flood takes longer to let out than a lease may last: look again every few frames. */
static void release(struct primary *p)
{
    while (lease_held_valid(&p->lease, mono_now()) &&
           output_release(&p->output, p->sealed, RELEASE_BATCH) == RELEASE_BATCH)
        ;
}

void primary_sealed(struct primary *p, const struct msg_ack *m)
{
    struct window_entry e;

    if (p->phase != PRIMARY_RUNNING) /* it was on its way when we said BYE */
        return;
    if (!window_ack(&p->window, m->epoch, &e)) {
        primary_lost(p, "protocol", "the backup acknowledged an epoch that is not in flight");
        return;
    }
    struct mono now = mono_now();
    hist_add(&p->ack_us, mono_sub(now, e.captured) / NS_PER_US);
    bool first = p->sealed == 0;
    p->sealed = m->epoch;
    p->sealed_at = now;
    p->seals++;
    primary_lease_renew(p, e.sent, m->lease_ms);
    (void)FAULT(primary_acked);
    release(p);
    (void)FAULT(primary_released);
    if (p->in_place && p->sealed >= p->in_place) {
        p->in_place = 0;
        child_restore(&p->child, "epoch-in-place");
    }
    child_restore(&p->child, "behind");
    if (first) {
        child_restore(&p->child, "unprotected");
        child_event(&p->child, LOG_LEVEL_INFO, "protected",
                    "protected: %s holds epoch %llu of generation %llu", p->rec.peer,
                    (unsigned long long)p->sealed, (unsigned long long)p->rec.generation);
        primary_status_send(p);
    }
    if (p->goal != GOAL_PROTECT)
        primary_leave_step(p);
    else
        primary_try_epoch(p);
}
