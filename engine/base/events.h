/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_EVENTS_H
#define REMUS_EVENTS_H

#include <jansson.h>
#include <stddef.h>

/**
 * The last events of a daemon (docs/control.md), oldest first: at most EVENTS_MAX, and no more of
 * them than EVENTS_BYTES_MAX as text, so that they always fit a reply.
 */
#define EVENTS_MAX       1000
#define EVENTS_BYTES_MAX (1024 * 1024)

/** Starts zeroed. */
struct events {
    json_t *event[EVENTS_MAX];
    size_t size[EVENTS_MAX];
    size_t first, count, bytes;
};

/** Keeps a reference to `event` (borrowed), dropping the oldest as needed. */
void events_add(struct events *events, json_t *event);

/** New array of what is kept; NULL when out of memory. */
json_t *events_list(const struct events *events);

/** Drops everything. */
void events_clear(struct events *events);

#endif
