/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_LINK_PACE_H
#define REMUS_LINK_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/mono.h"

/**
 * How many octets may wait for a link so that the last of them leaves within LINK_PACE_NS: a
 * heartbeat or an EPOCH_END that is queued behind more than that carries a lease that is over
 * before it arrives. Grows while what was queued drains, shrinks to what the link is seen to take.
 */
#define LINK_PACE_NS    (50 * NS_PER_MS)
#define LINK_PACE_START (256u << 10)
#define LINK_PACE_MIN   (16u << 10)

struct link_pace {
    size_t limit, budget; /* octets; LINK_PACE_MIN <= budget <= limit */
    size_t peak;          /* most that was queued since the queue was empty */
    bool busy;
    struct mono since; /* start of the present window of measurement */
    uint64_t sent;     /* in this window */
};

/** `limit` caps the budget; at least LINK_PACE_MIN is used. */
void link_pace_init(struct link_pace *p, size_t limit);

/** `queued` octets wait after new ones were added. */
void link_pace_queued(struct link_pace *p, struct mono now, size_t queued);

/** The link took `n` octets; `queued` are left. */
void link_pace_sent(struct link_pace *p, struct mono now, size_t n, size_t queued);

#endif
