/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_ACCEPT_PAUSE_H
#define REMUS_ACCEPT_PAUSE_H

#include <event2/event.h>
#include <event2/listener.h>
#include <stdbool.h>

#include "engine/base/compiler.h"

/**
 * For a listener that could not accept a connection. Out of descriptors, say, its socket stays
 * readable, and accepting again at once would spin: it pauses for a moment, as often as it takes.
 * That is logged once, until a connection comes.
 */
struct accept_pause {
    struct evconnlistener *listener;
    struct event *retry;
    const char *who; /* in the log; must outlive the pause */
    bool told;
};

/** -1 with errno: no memory. `listener` stays the caller's, and must outlive the pause. */
int accept_pause_init(struct accept_pause *p, struct event_base *base,
                      struct evconnlistener *listener, const char *who) MUST_CHECK;

/** From the listener's error callback; errno says what went wrong. */
void accept_pause_begin(struct accept_pause *p);

/** A connection was accepted. */
void accept_pause_over(struct accept_pause *p);

/** Also for one that is all zeroes. */
void accept_pause_free(struct accept_pause *p);

#endif
