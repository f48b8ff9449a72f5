/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMCLIENT_STATION_H
#define REMUS_SIMCLIENT_STATION_H

#include <event2/event.h>

#include "engine/base/err.h"
#include "tools/sim/simclient_wire.h"

/**
 * One station on a switch that talks to one other. It asks for the other's MAC by itself, again and
 * again until it is told, follows announcements of a new one, and answers who asks for its own.
 */
struct station;

struct station_events {
    void (*ready)(void *arg); /* the other's MAC is known now; once */
    void (*got)(enum wire_kind kind, const struct wire_got *got, void *arg); /* UDP, REFLECTED */
    void (*lost)(void *arg); /* the switch is gone; the station may not be freed from here */
};

/** `events` is borrowed. NULL with `err`. */
struct station *station_new(struct event_base *base, const char *switch_path,
                            const struct wire_path *path, int64_t ask_ms,
                            const struct station_events *events, void *arg, struct err *err);
void station_free(struct station *s); /* NULL is allowed */

/** What the network drops is lost, as everywhere; whoever needs an answer sends again. */
void station_udp(struct station *s, uint16_t sport, uint16_t dport, const void *payload,
                 size_t len);
void station_reflect(struct station *s, const void *payload, size_t len);

/** Frames so far that had a wrong checksum or length. */
uint64_t station_bad(const struct station *s);

#endif
