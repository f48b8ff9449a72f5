/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/window.h"

void window_init(struct window *w)
{
    w->first = w->count = 0;
}

bool window_push(struct window *w, const struct window_entry *e)
{
    if (w->count == WINDOW_MAX)
        return false;
    w->entry[(w->first + w->count) % WINDOW_MAX] = *e;
    w->count++;
    return true;
}

bool window_ack(struct window *w, uint64_t epoch, struct window_entry *ret)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct window_entry *e = &w->entry[(w->first + i) % WINDOW_MAX];
        if (e->epoch != epoch)
            continue;
        *ret = *e;
        w->first = (w->first + i + 1) % WINDOW_MAX;
        w->count -= i + 1;
        return true;
    }
    return false;
}
