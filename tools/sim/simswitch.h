/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMSWITCH_H
#define REMUS_SIMSWITCH_H

#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/**
 * A learning Ethernet switch whose ports are connections to a SEQPACKET socket, one frame (vnet
 * header first, engine/net/port.h) a message. It never queues: a port that does not read loses
 * frames, which is counted, and keeps nobody waiting. VLAN tags pass unharmed and do not part the
 * stations. At most SIMSWITCH_PORTS_MAX ports; more are hung up on.
 */
#define SIMSWITCH_PORTS_MAX 512

struct simswitch;

/**
 * Listens on `path`; a socket file nobody listens on is replaced. `log` (borrowed, NULL: none) gets
 * one JSON line for each frame that comes in,
 *   {"mono_ns", "port", "src", "dst", "ethertype", "vlan", "len"}
 * with CLOCK_MONOTONIC, the number of the port, the ethertype behind a VLAN tag, vlan null when
 * there is no tag, and len without the vnet header; and one when a port comes or goes,
 *   {"mono_ns", "port", "event": "open" or "close", "pid"}.
 * NULL with `err`.
 */
struct simswitch *simswitch_new(struct event_base *base, const char *path, FILE *log,
                                struct err *err) MUST_CHECK;
void simswitch_free(struct simswitch *sw); /* removes the socket file; NULL is allowed */

/**
 * New object: {"ports": [{"port", "pid", "in_frames", "in_bytes", "out_frames", "out_bytes",
 * "dropped", "bad"}], "stations", "accepted", "refused"}. "dropped": for this port but it was full;
 * "bad": from this port but no frame. NULL when memory is short.
 */
json_t *simswitch_stats(const struct simswitch *sw);

#endif
