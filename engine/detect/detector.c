/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/detect/detector.h"

#include <stdlib.h>
#include <string.h>

#define MEAN_GAIN  8 /* one part in 8 of the error, as in RFC 6298 */
#define DEV_GAIN   4
#define DEV_FACTOR 4

static int64_t min_ns(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_ns(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void detector_init(struct detector *d, const struct detector_conf *conf, struct mono now)
{
    memset(d, 0, sizeof(*d));
    d->conf = *conf;
    d->last = now;
    d->slot_start = now;
}

static void smooth(struct detector *d, int64_t sample)
{
    int64_t error = sample - d->mean_ns;

    if (d->filled == 0) {
        d->mean_ns = sample;
        d->dev_ns = sample / 2;
        return;
    }
    d->mean_ns += error / MEAN_GAIN;
    d->dev_ns += (llabs(error) - d->dev_ns) / DEV_GAIN;
}

static void close_slot(struct detector *d, struct mono now)
{
    /* A silence beyond the ceiling could not raise the time-out any further. */
    int64_t sample = min_ns(d->slot_gap_ns, d->conf.ceiling_ns);

    smooth(d, sample);
    d->window[d->next] = sample;
    d->next = (d->next + 1) % DETECTOR_WINDOW;
    if (d->filled < DETECTOR_WINDOW)
        d->filled++;
    d->slot_start = now;
    d->slot_gap_ns = 0;
}

void detector_heard(struct detector *d, struct mono now)
{
    int64_t gap = mono_sub(now, d->last);

    if (gap <= 0)
        return;
    d->heard++;
    d->last = now;
    d->slot_gap_ns = max_ns(d->slot_gap_ns, gap);
    if (mono_sub(now, d->slot_start) >= d->conf.floor_ns / DETECTOR_SLOTS_PER_FLOOR)
        close_slot(d, now);
}

int64_t detector_timeout(const struct detector *d)
{
    int64_t slowest = min_ns(d->slot_gap_ns, d->conf.ceiling_ns);

    for (unsigned i = 0; i < d->filled; i++)
        slowest = max_ns(slowest, d->window[i]);
    int64_t wanted = max_ns(d->mean_ns + DEV_FACTOR * d->dev_ns, slowest + slowest / 2);
    return min_ns(max_ns(wanted, d->conf.floor_ns), d->conf.ceiling_ns);
}

struct mono detector_deadline(const struct detector *d)
{
    return mono_add(d->last, detector_timeout(d));
}

bool detector_suspects(const struct detector *d, struct mono now)
{
    return !mono_before(now, detector_deadline(d));
}
