/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/link/pace.h"

static size_t clamp(double value, size_t low, size_t high)
{
    if (value < (double)low)
        return low;
    return value > (double)high ? high : (size_t)value;
}

void pace_init(struct pace *p, size_t limit)
{
    if (limit < PACE_MIN)
        limit = PACE_MIN;
    *p = (struct pace){.limit = limit, .budget = limit < PACE_START ? limit : PACE_START};
}

void pace_queued(struct pace *p, struct mono now, size_t queued)
{
    if (!p->busy) {
        p->busy = true;
        p->since = now;
        p->sent = 0;
        p->peak = 0;
    }
    if (queued > p->peak)
        p->peak = queued;
}

void pace_sent(struct pace *p, struct mono now, size_t n, size_t queued)
{
    p->sent += n;
    if (queued == 0) {
        /* Only a queue that was used says that a longer one would drain as well. */
        if (p->busy && p->peak >= p->budget / 2)
            p->budget = clamp((double)p->budget * 2, PACE_MIN, p->limit);
        p->busy = false;
        return;
    }
    int64_t span = mono_sub(now, p->since);
    if (span < PACE_NS)
        return;
    p->budget = clamp((double)p->sent * PACE_NS / (double)span, PACE_MIN, p->limit);
    p->since = now;
    p->sent = 0;
}
