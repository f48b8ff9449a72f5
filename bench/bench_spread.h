/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BENCH_SPREAD_H
#define REMUS_BENCH_SPREAD_H

#include <jansson.h>
#include <stddef.h>

/** Samples of one quantity; start zeroed. A sample that finds no memory is lost: n says so. */
struct spread {
    double *value;
    size_t n, cap;
};

void spread_add(struct spread *s, double value);
void spread_free(struct spread *s);

/** The p-th percentile (0..100), between the two nearest samples; NaN without samples. Sorts. */
double spread_at(struct spread *s, double p);
double spread_median(struct spread *s);

/** New {"min", "p25", "median", "p75", "max", "n"}; null without samples. Sorts. */
json_t *spread_json(struct spread *s);

#endif
