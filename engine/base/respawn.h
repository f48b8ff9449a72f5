/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_RESPAWN_H
#define REMUS_RESPAWN_H

#include <event2/event.h>

#include "engine/base/err.h"
#include "engine/base/mono.h"
#include "engine/base/uuid.h"

/**
 * Starts VM children again after they died: at once the first time, then after a pause that doubles
 * with each death in a row, so that a child that cannot live does not eat the host.
 */
struct respawn;

typedef void (*respawn_cb)(const struct uuid *uuid, const char *name, void *arg);

struct respawn *respawn_new(struct event_base *base, respawn_cb start, void *arg);
void respawn_free(struct respawn *r); /* NULL is allowed; nothing pending is started */

/** Calls `start` for the VM after its pause. `why` is what respawn_each tells meanwhile; both texts
 * are copied. */
void respawn_later(struct respawn *r, const struct uuid *uuid, const char *name, const char *why);

/** It is started already, or not to be: its pause ends without a call. */
void respawn_cancel(struct respawn *r, const struct uuid *uuid);

/** A VM that waits for its start. */
struct respawn_wait {
    struct uuid uuid;
    char name[64];
    char why[ERR_TEXT_MAX];
    struct mono since;
};

/** Calls `each` for all that wait. */
void respawn_each(struct respawn *r, void (*each)(const struct respawn_wait *w, void *arg),
                  void *arg);

#endif
