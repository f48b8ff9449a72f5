/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_DETECTOR_H
#define REMUS_DETECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/mono.h"

/**
 * The one fault detector, used by both sides and fed by the checkpoint stream itself: every record
 * that arrives is a heartbeat. It holds no clock and does no I/O.
 *
 * The time-out adapts to what was observed: smoothed inter-arrival time plus DEV_FACTOR smoothed
 * deviations (Jacobson/Karels, as TCP's RTO), but never below what the slowest arrival of the last
 * window needs, and always within [floor, ceiling].
 */
struct detector_conf {
    int64_t floor_ns;   /* never suspect earlier: scheduling noise on a busy host */
    int64_t ceiling_ns; /* always suspect later than this */
};

#define DETECTOR_WINDOW 64

struct detector {
    struct detector_conf conf;
    struct mono last;
    int64_t mean_ns, dev_ns;
    int64_t window[DETECTOR_WINDOW]; /* recent inter-arrival times */
    unsigned next, filled;
    uint64_t heard; /* arrivals so far */
};

/** Starts silent-free: `now` counts as the first arrival. */
void detector_init(struct detector *d, const struct detector_conf *conf, struct mono now);

/** Something valid arrived from the peer. Arrivals at the same instant count once. */
void detector_heard(struct detector *d, struct mono now);

/** The present time-out in nanoseconds, within [floor, ceiling]. */
int64_t detector_timeout(const struct detector *d);

/** When the peer becomes suspect if nothing more arrives. */
struct mono detector_deadline(const struct detector *d);
bool detector_suspects(const struct detector *d, struct mono now);

#endif
