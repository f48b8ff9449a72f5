/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BENCH_H
#define REMUS_BENCH_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/** One run of remus-bench. */
struct bench {
    FILE *out; /* JSON lines; NULL: none are written */
    bool quick;
    char scratch[PATH_MAX]; /* a directory of this run's own */
};

/** One measure: emits its lines and prints its table. -1 with err. */
typedef int bench_measure(struct bench *b, struct err *err);

bench_measure bench_pause, bench_pause_live, bench_codec_kinds, bench_rate, bench_latency,
    bench_failover, bench_load, bench_sweep, bench_sync;

/** Writes `line` (stolen; NULL: out of memory) with "quick" added. -1 with err. */
int bench_emit(struct bench *b, json_t *line, struct err *err) MUST_CHECK;

/** The line that says which machine this was. */
int bench_host(struct bench *b, struct err *err) MUST_CHECK;

/** How busy the machine is with other things, as a line before the measure `name`. -1 with err. */
int bench_noise(struct bench *b, const char *name, struct err *err) MUST_CHECK;

/** Quick runs do less of the same. */
static inline int bench_amount(const struct bench *b, int full, int quick)
{
    return b->quick ? quick : full;
}

#endif
