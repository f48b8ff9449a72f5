/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_CHILD_H
#define REMUS_CHILD_H

#include <event2/event.h>
#include <jansson.h>

#include "engine/base/chan.h"
#include "engine/base/compiler.h"
#include "engine/base/err.h"
#include "engine/base/log.h"
#include "engine/base/mono.h"
#include "engine/base/uuid.h"

/**
 * What a VM child of either daemon has in common: its end of the channel to the parent
 * (docs/control.md, last section), its VM's identity, and the list of what is degraded (I6).
 */
#define CHILD_DEGRADED_MAX 16

struct child_degraded {
    const char *cause; /* a literal: the stable name of the cause */
    char text[ERR_TEXT_MAX];
    struct mono since;
};

struct child {
    struct event_base *base;
    struct chan *chan; /* NULL once the parent is gone */
    const char *role;  /* "primary" or "backup" */
    struct uuid uuid;
    char uuid_text[UUID_TEXT_LEN + 1];
    char name[64]; /* the VM's; empty until known */
    struct child_degraded degraded[CHILD_DEGRADED_MAX];
    size_t degraded_count;
};

/** Event loop with microsecond timers and the channel on CHAN_CHILD_FD. -1 with errno. */
int child_init(struct child *c, const char *role, const char *uuid_text, chan_message_cb on_message,
               chan_closed_cb on_parent_gone, void *arg) MUST_CHECK;

/** Sets the VM's name, also as the log's context. */
void child_set_name(struct child *c, const char *name);

/** Logs and reports one event; `name` is its stable name. */
void child_event(struct child *c, enum log_level level, const char *name, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/** Answers command `id` (0: nobody waits). `fields` is stolen and may be NULL. */
void child_reply_ok(struct child *c, json_int_t id, json_t *fields);
void child_reply_err(struct child *c, json_int_t id, const char *code, const struct err *err);
/**
 * The answer of a child that ends now: given to the asker when the process is gone and the VM is
 * free again. `code` NULL: success.
 */
void child_reply_last(struct child *c, json_int_t id, const char *code, const struct err *err);

/** Sends {"type": "status", "status": OBJECT}; stolen. Dropped when the parent does not read. */
void child_status(struct child *c, json_t *status);

/** Begins or rewords a degraded state; a new text is an event of level warn. */
void child_degrade(struct child *c, const char *cause, const char *fmt, ...) PRINTF_LIKE(3, 4);
/** Ends it; an event of level info if it was there. */
void child_restore(struct child *c, const char *cause);
/** New array for the status object. */
json_t *child_degraded_json(const struct child *c);

/** Frees the loop and the channel, after the loop has ended. */
void child_free(struct child *c);

/** {"type": "done"} and the end of the channel. */
void child_done(struct child *c);

#endif
