/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMVM_PACE_H
#define REMUS_SIMVM_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/mono.h"

/**
 * So many units of work a second, by CLOCK_MONOTONIC. Work missed while the VM was stopped is made
 * up for up to PACE_DEBT_NS, the rest is forgotten.
 */
#define PACE_DEBT_NS (100 * NS_PER_MS)

struct pace {
    int64_t rate;   /* units a second; 0: never */
    int64_t credit; /* units * nanoseconds */
    struct mono last;
};

void pace_init(struct pace *p, int64_t rate, struct mono now);

/** A unit is due: takes it. */
bool pace_take(struct pace *p, struct mono now);

/** Nanoseconds until a unit is due, 0: now, -1: never. */
int64_t pace_wait(struct pace *p, struct mono now);

#endif
