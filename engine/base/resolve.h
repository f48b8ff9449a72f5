/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_RESOLVE_H
#define REMUS_RESOLVE_H

#include <event2/event.h>
#include <netdb.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/**
 * getaddrinfo(3) beside the event loop, in a thread of its own: while name servers are silent it
 * takes tens of seconds, in which the loop has leases to watch.
 */
struct resolve;

/**
 * Called once, from the loop: `all` is the callee's (freeaddrinfo), or NULL, and `error` is
 * getaddrinfo's (gai_strerror). The struct resolve is freed already.
 */
typedef void (*resolve_cb)(struct addrinfo *all, int error, void *arg);

/** For TCP. NULL with errno and `err`: nothing was started. */
struct resolve *resolve_start(struct event_base *base, const char *host, const char *port,
                              resolve_cb done, void *arg, struct err *err) MUST_CHECK;
/** NULL is allowed; `done` is not called. The thread ends by itself. */
void resolve_cancel(struct resolve *r);

#endif
