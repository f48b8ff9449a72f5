/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench_spread.h"

#include <math.h>
#include <stdlib.h>

void spread_add(struct spread *s, double value)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        double *more = reallocarray(s->value, cap, sizeof(*more));
        if (!more)
            return;
        s->value = more;
        s->cap = cap;
    }
    s->value[s->n++] = value;
}

void spread_free(struct spread *s)
{
    free(s->value);
    *s = (struct spread){0};
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double spread_at(struct spread *s, double p)
{
    if (s->n == 0)
        return NAN;
    qsort(s->value, s->n, sizeof(*s->value), by_size);

    double at = p / 100 * (double)(s->n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= s->n)
        return s->value[s->n - 1];
    return s->value[below] + (at - (double)below) * (s->value[below + 1] - s->value[below]);
}

double spread_median(struct spread *s)
{
    return spread_at(s, 50);
}

json_t *spread_json(struct spread *s)
{
    if (s->n == 0)
        return json_null();
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:I}", "min", spread_at(s, 0), "p25",
                     spread_at(s, 25), "median", spread_at(s, 50), "p75", spread_at(s, 75), "max",
                     spread_at(s, 100), "n", (json_int_t)s->n);
}
