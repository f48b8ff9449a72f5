/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_LEASE_H
#define REMUS_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/mono.h"

/**
 * The lease, both ends of it (I3). The backup grants with every ack; the primary counts from the
 * moment it SENT what is acknowledged, the backup from the moment it sent the ack, which is later:
 * so the primary's lease has always run out before the backup believes so. `margin` covers the two
 * clocks' drift and the time between the primary's last check and its last frame leaving.
 */

/** Primary's end. */
struct lease_held {
    bool in_force; /* from the first EPOCH_END on; before it nothing can be activated */
    struct mono expires;
};

/** Not in force: output needs no lease. */
void lease_held_init(struct lease_held *l);

/** The rule begins to bind at `sent`, as if `len_ns` had been granted then. */
void lease_held_start(struct lease_held *l, struct mono sent, int64_t len_ns);

/** An ack of something sent at `sent` grants `len_ns`; never shortens what is held. */
void lease_held_renew(struct lease_held *l, struct mono sent, int64_t len_ns);

/** The peer gave up its right to activate: the rule no longer binds. */
void lease_held_end(struct lease_held *l);

/** May emit and run at `now`. */
bool lease_held_valid(const struct lease_held *l, struct mono now);

/** Backup's end: the longest promise given so far. */
struct lease_granted {
    bool any;
    struct mono expires; /* margin not included */
};

void lease_granted_init(struct lease_granted *g);
void lease_granted_give(struct lease_granted *g, struct mono now, int64_t len_ns);

/**
 * First instant at which activation is allowed: the longest promise plus `margin_ns`; long past
 * when nothing was promised. To cover a drift of D parts per million (both clocks together) the
 * margin must be at least D/1e6 of the longest lease, beside the time from the primary's check to
 * its last frame.
 */
struct mono lease_granted_free_at(const struct lease_granted *g, int64_t margin_ns);

#endif
