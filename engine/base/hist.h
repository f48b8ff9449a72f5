/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_HIST_H
#define REMUS_HIST_H

#include <stddef.h>
#include <stdint.h>

#define HIST_WINDOW 1024

/** The last HIST_WINDOW samples of one quantity; adding is O(1) and allocates nothing. */
struct hist {
    int64_t sample[HIST_WINDOW];
    size_t next, filled;
    int64_t last, max; /* max is over the whole life, not over the window */
};

void hist_init(struct hist *h);
void hist_add(struct hist *h, int64_t value);

/** The p-th percentile (0..100) of the window by nearest rank; 0 when empty. */
int64_t hist_percentile(const struct hist *h, double p);

#endif
