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
 * Time is cut into slots of floor/4; the longest silence of a slot is one sample. Single arrivals
 * are no good as samples: an epoch's thousands of records within a millisecond would wash a slow
 * network out of any window. From the samples the time-out is
 *
 *   the larger of   mean + 4 * deviation    (Jacobson/Karels, gains 1/8 and 1/4, as TCP's RTO)
 *            and    3/2 * slowest sample of the window
 *
 * cut to [floor, ceiling]. The factor 4 is the one that has served TCP. But the mean forgets a rare
 * stall within a few samples and would call the next one a death; the window remembers it for 64
 * slots (about 5 s at the default floor), and half as much again leaves room for a stall somewhat
 * worse than the worst yet.
 *
 * Why the daemons' default floor is 300 ms: a segment lost on the wire comes back after TCP's
 * minimal RTO of 200 ms plus a round trip, and a busy host may not schedule a process for tens of
 * milliseconds; neither is a death. It is also the least part of every failover that clients see.
 *
 * Why the default ceiling is 3 s: on a link so bad that a segment often needs its third
 * retransmission (after 200 + 400 + 800 ms) the detector can still learn to wait, by half as much
 * again and more, while clients' own time-outs (5 s for DNS, 3 to 10 s for most RPC) are not
 * reached. It is also the longest lease, so what a primary that was cut off may run on at most.
 */
struct detector_conf {
    int64_t floor_ns;   /* never suspect earlier: scheduling noise on a busy host */
    int64_t ceiling_ns; /* always suspect later than this */
};

#define DETECTOR_WINDOW          64
#define DETECTOR_SLOTS_PER_FLOOR 4

struct detector {
    struct detector_conf conf;
    struct mono last;       /* newest arrival */
    struct mono slot_start; /* of the slot being filled */
    int64_t slot_gap_ns;    /* longest silence in it so far */
    int64_t mean_ns, dev_ns;
    int64_t window[DETECTOR_WINDOW]; /* longest silences of recent slots, none above the ceiling */
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
