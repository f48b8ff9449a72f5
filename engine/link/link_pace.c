/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/link/link_pace.h"

static size_t clamp(double value, size_t low, size_t high)
{
    if (value < (double)low)
        return low;
    return value > (double)high ? high : (size_t)value;
}

void link_pace_init(struct link_pace *p, size_t limit)
{
    if (limit < LINK_PACE_MIN)
        limit = LINK_PACE_MIN;
    *p = (struct link_pace){.limit = limit,
                            .budget = limit < LINK_PACE_START ? limit : LINK_PACE_START};
}

void link_pace_queued(struct link_pace *p, struct mono now, size_t queued)
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

void link_pace_sent(struct link_pace *p, struct mono now, size_t n, size_t queued)
{
    p->sent += n;
    if (queued == 0) {
        /* Only a queue that was used says that a longer one would drain as well. */
        if (p->busy && p->peak >= p->budget / 2)
            p->budget = clamp((double)p->budget * 2, LINK_PACE_MIN, p->limit);
        p->busy = false;
        return;
    }
    int64_t span = mono_sub(now, p->since);
    if (span < LINK_PACE_NS)
        return;
    p->budget = clamp((double)p->sent * LINK_PACE_NS / (double)span, LINK_PACE_MIN, p->limit);
    p->since = now;
    p->sent = 0;
}
