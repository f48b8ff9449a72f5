/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/events.h"

static void drop_oldest(struct events *events)
{
    size_t at = events->first;

    json_decref(events->event[at]);
    events->bytes -= events->size[at];
    events->first = (at + 1) % EVENTS_MAX;
    events->count--;
}

void events_add(struct events *events, json_t *event)
{
    size_t size = json_dumpb(event, NULL, 0, JSON_COMPACT);

    if (size > EVENTS_BYTES_MAX)
        return;
    while (events->count == EVENTS_MAX || events->bytes + size > EVENTS_BYTES_MAX)
        drop_oldest(events);
    size_t at = (events->first + events->count) % EVENTS_MAX;
    events->event[at] = json_incref(event);
    events->size[at] = size;
    events->bytes += size;
    events->count++;
}

json_t *events_list(const struct events *events)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < events->count; i++)
        json_array_append(list, events->event[(events->first + i) % EVENTS_MAX]);
    return list;
}

void events_clear(struct events *events)
{
    while (events->count)
        drop_oldest(events);
}
