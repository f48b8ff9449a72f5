/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMCLIENT_STATS_H
#define REMUS_SIMCLIENT_STATS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/compiler.h"
#include "engine/base/mono.h"

/** All latencies of a run, in nanoseconds. */
struct samples {
    int64_t *ns;
    size_t count, cap;
};

/** -1 with errno=ENOMEM. */
int samples_add(struct samples *s, int64_t ns) MUST_CHECK;
void samples_free(struct samples *s);

/** New object {"p50", "p90", "p99", "max"} in microseconds, null where there are none. Sorts. */
json_t *samples_json(struct samples *s);

/** The longest time without an answer, from the begin of the load on. */
struct gap {
    struct mono last, longest_from;
    int64_t longest_ns;
};

void gap_begin(struct gap *g, struct mono now);
void gap_answer(struct gap *g, struct mono now);

/** Adds "longest_gap_ms" and "longest_gap_start_ns" (CLOCK_MONOTONIC). */
void gap_report(const struct gap *g, json_t *object);

#endif
