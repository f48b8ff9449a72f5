/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simvm_pace.h"

void pace_init(struct pace *p, int64_t rate, struct mono now)
{
    *p = (struct pace){.rate = rate, .last = now};
}

static void earn(struct pace *p, struct mono now)
{
    int64_t span = mono_sub(now, p->last);

    p->last = now;
    p->credit += (span < PACE_DEBT_NS ? span : PACE_DEBT_NS) * p->rate;
    /* At slow rates one whole unit may take longer to earn than the debt allows. */
    int64_t most = p->rate * PACE_DEBT_NS;
    if (most < NS_PER_S)
        most = NS_PER_S;
    if (p->credit > most)
        p->credit = most;
}

bool pace_take(struct pace *p, struct mono now)
{
    earn(p, now);
    if (p->credit < NS_PER_S)
        return false;
    p->credit -= NS_PER_S;
    return true;
}

int64_t pace_wait(struct pace *p, struct mono now)
{
    if (!p->rate)
        return -1;
    earn(p, now);
    if (p->credit >= NS_PER_S)
        return 0;
    return (NS_PER_S - p->credit + p->rate - 1) / p->rate;
}
