/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BACKUPD_H
#define REMUS_BACKUPD_H

#include <event2/event.h>

#include "backupd/backupd_conf.h"
#include "engine/base/uuid.h"

/** The parent: control socket, listener, one child per VM. `config` (may be NULL) is for children.
 */
int backupd_run(const struct backupd_conf *conf, const char *config);

/**
 * Accepts connections and waits, bounded in time and number, until the VM's UUID can be seen in the
 * HELLO that is on its way; nothing is read from the socket. `on_session` takes over the
 * descriptor.
 */
struct listener;
typedef void (*listener_cb)(int fd, const struct uuid *uuid, void *arg);
struct listener *listener_new(struct event_base *base, const char *listen, listener_cb on_session,
                              void *arg, struct err *err) MUST_CHECK;
void listener_free(struct listener *l); /* NULL is allowed */

/** The address in use, "HOST:PORT" with the real port. */
const char *listener_address(const struct listener *l);

/** Sends REJECT with `code` and `text`, and closes. */
void listener_reject(int fd, uint16_t code, const char *text);

#endif
