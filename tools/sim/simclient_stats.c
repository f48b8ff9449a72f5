/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simclient_stats.h"

#include <math.h>
#include <stdlib.h>

#define FIRST_CAP 1024

int samples_add(struct samples *s, int64_t ns)
{
    if (s->count == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : FIRST_CAP;
        int64_t *more = reallocarray(s->ns, cap, sizeof(*more));
        if (!more)
            return -1;
        s->ns = more;
        s->cap = cap;
    }
    s->ns[s->count++] = ns;
    return 0;
}

void samples_free(struct samples *s)
{
    free(s->ns);
    *s = (struct samples){0};
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/** Nearest rank, in microseconds. */
static json_t *percentile(const struct samples *s, double p)
{
    if (s->count == 0)
        return json_null();
    size_t rank = (size_t)ceil(p / 100 * (double)s->count);
    return json_real((double)s->ns[rank ? rank - 1 : 0] / NS_PER_US);
}

json_t *samples_json(struct samples *s)
{
    if (s->count)
        qsort(s->ns, s->count, sizeof(*s->ns), by_size);
    return json_pack("{so so so so}", "p50", percentile(s, 50), "p90", percentile(s, 90), "p99",
                     percentile(s, 99), "max", percentile(s, 100));
}

void gap_begin(struct gap *g, struct mono now)
{
    *g = (struct gap){.last = now, .longest_from = now};
}

void gap_answer(struct gap *g, struct mono now)
{
    int64_t gap = mono_sub(now, g->last);

    if (gap > g->longest_ns) {
        g->longest_ns = gap;
        g->longest_from = g->last;
    }
    g->last = now;
}

void gap_report(const struct gap *g, json_t *object)
{
    json_object_set_new(object, "longest_gap_ms", json_real((double)g->longest_ns / NS_PER_MS));
    json_object_set_new(object, "longest_gap_start_ns", json_integer(g->longest_from.ns));
}
