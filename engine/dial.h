/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_DIAL_H
#define REMUS_DIAL_H

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/** One attempt to connect to HOST[:PORT] or [V6]:PORT, trying each address it resolves to. */
struct dial;

#define DIAL_DEFAULT_PORT "7700"

/** Called once: `fd` connected (the callee's), or -1 with `err`. The dial is freed already. */
typedef void (*dial_cb)(int fd, const struct err *err, void *arg);

/** Form only; resolves nothing. */
int dial_check(const char *target, struct err *err) MUST_CHECK;

/** NULL with `err`: nothing was started. `timeout_ms` is for a name, and for each address of it. */
struct dial *dial_start(struct event_base *base, const char *target, int64_t timeout_ms,
                        dial_cb done, void *arg, struct err *err) MUST_CHECK;
void dial_cancel(struct dial *d); /* NULL is allowed; `done` is not called */

#endif
