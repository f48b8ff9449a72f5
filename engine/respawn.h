/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_RESPAWN_H
#define REMUS_RESPAWN_H

#include <event2/event.h>

#include "engine/base/uuid.h"

/**
 * Starts VM children again after they died: at once the first time, then after a pause that doubles
 * with each death in a row, so that a child that cannot live does not eat the host.
 */
struct respawn;

typedef void (*respawn_cb)(const struct uuid *uuid, const char *name, void *arg);

struct respawn *respawn_new(struct event_base *base, respawn_cb start, void *arg);
void respawn_free(struct respawn *r); /* NULL is allowed; nothing pending is started */

/** Calls `start` for the VM after its pause. */
void respawn_later(struct respawn *r, const struct uuid *uuid, const char *name);

#endif
