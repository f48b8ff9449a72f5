/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/detect/lease.h"

void lease_held_init(struct lease_held *l)
{
    *l = (struct lease_held){0};
}

void lease_held_start(struct lease_held *l, struct mono sent, int64_t len_ns)
{
    l->in_force = true;
    l->expires = mono_add(sent, len_ns);
}

void lease_held_renew(struct lease_held *l, struct mono sent, int64_t len_ns)
{
    l->expires = mono_max(l->expires, mono_add(sent, len_ns));
}

void lease_held_end(struct lease_held *l)
{
    l->in_force = false;
}

bool lease_held_valid(const struct lease_held *l, struct mono now)
{
    return !l->in_force || mono_before(now, l->expires);
}

void lease_granted_init(struct lease_granted *g)
{
    *g = (struct lease_granted){0};
}

void lease_granted_give(struct lease_granted *g, struct mono now, int64_t len_ns)
{
    struct mono expires = mono_add(now, len_ns);

    g->expires = g->any ? mono_max(g->expires, expires) : expires;
    g->any = true;
}

struct mono lease_granted_free_at(const struct lease_granted *g, int64_t margin_ns)
{
    return g->any ? mono_add(g->expires, margin_ns) : (struct mono){0};
}
