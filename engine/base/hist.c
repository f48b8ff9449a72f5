/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/hist.h"

#include <stdlib.h>
#include <string.h>

void hist_init(struct hist *h)
{
    memset(h, 0, sizeof(*h));
}

void hist_add(struct hist *h, int64_t value)
{
    if (h->filled == 0 || value > h->max)
        h->max = value;
    h->last = value;
    h->sample[h->next] = value;
    h->next = (h->next + 1) % HIST_WINDOW;
    if (h->filled < HIST_WINDOW)
        h->filled++;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

int64_t hist_percentile(const struct hist *h, double p)
{
    int64_t sorted[HIST_WINDOW];

    if (h->filled == 0)
        return 0;
    memcpy(sorted, h->sample, h->filled * sizeof(*sorted));
    qsort(sorted, h->filled, sizeof(*sorted), compare);

    double exact = p * (double)h->filled / 100; /* this order is exact for whole percents */
    if (exact <= 1)
        return sorted[0];
    if (exact >= (double)h->filled)
        return sorted[h->filled - 1];
    size_t rank = (size_t)exact;
    if ((double)rank < exact)
        rank++;
    return sorted[rank - 1];
}
