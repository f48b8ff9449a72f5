/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SUPERVISOR_H
#define REMUS_SUPERVISOR_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "engine/base/chan.h"
#include "engine/base/compiler.h"
#include "engine/base/ctl.h"
#include "engine/base/err.h"
#include "engine/base/log.h"
#include "engine/base/mono.h"
#include "engine/base/uuid.h"

/**
 * What the parents of both daemons have in common: the control socket, one child process per VM,
 * commands to the children and their replies, status and events from them (docs/control.md), and
 * the stop in good order.
 * Answers `version`, `list`, `status` and `events` itself and hands every other command on.
 */
#define SUPERVISOR_NAME_MAX  64
#define SUPERVISOR_SILENT_MS 2000 /* a status older than this: "not-responding" */

struct supervisor;

/** One VM's child. The daemon reads it; only the supervisor writes it. */
struct vm_child {
    TAILQ_ENTRY(vm_child) link;
    struct supervisor *supervisor;
    struct uuid uuid;
    char uuid_text[UUID_TEXT_LEN + 1];
    char name[SUPERVISOR_NAME_MAX]; /* empty until known; follows the child's status */
    pid_t pid;
    struct chan *chan; /* NULL once the child closed it */
    json_t *status;    /* the last one, NULL before the first */
    struct mono heard; /* when that came, or when the child was started */
    bool silent;       /* reported as not responding */
    bool done;         /* said that it ends on purpose */
};

/**
 * A command that the supervisor does not know; also `protect` and the like. Answer as in ctl.h,
 * or pass it on with supervisor_command.
 */
typedef void (*supervisor_command_cb)(struct ctl_conn *conn, const char *cmd, json_t *request,
                                      void *arg);

/**
 * `child` ended and is out of the table already, so that a new one may be spawned for the VM; it
 * is freed after the call. `how` is NULL when it said before that it would ("done"), else words
 * such as "exit status 1": the callback then reports the event "child-died".
 */
typedef void (*supervisor_gone_cb)(struct vm_child *child, const char *how, void *arg);

/** The pause after supervisor_respawn_later is over: spawn it, unless nobody wants it any more. */
typedef void (*supervisor_respawn_cb)(const struct uuid *uuid, const char *name, void *arg);

/** Strings and arrays must outlive the supervisor. */
struct supervisor_args {
    struct event_base *base;
    const char *daemon;      /* "remusd" or "backupd"; also the children's argv[0] */
    const char *role;        /* of its children: "primary" or "backup" */
    const char *first_state; /* reported for a child that has not sent a status yet */
    const char *control_socket;
    const char *listen; /* address of the daemon's own port, for `version`; NULL: it has none. Not
                           used any more once it stops */
    const char *const *child_options; /* NULL-ended, put before "--child UUID"; e.g. the config */
    supervisor_command_cb on_command;
    supervisor_gone_cb on_child_gone;
    supervisor_respawn_cb on_respawn;
    void (*on_stop)(void *arg); /* the daemon stops: what it ends first; NULL: nothing */
    int stop_ms;                /* how long it then waits for its children */
    void *arg;
};

/**
 * Opens the control socket and takes over SIGCHLD, SIGTERM and SIGINT of `base`. The latter two
 * stop the daemon: nothing can be spawned any more, all children are sent {"cmd": "shutdown"}, and
 * the event loop is left once the last one is gone, but after `stop_ms` in any case; children that
 * are still there then see EOF from supervisor_free. NULL with errno and `err`.
 */
struct supervisor *supervisor_new(const struct supervisor_args *args, struct err *err);

/** Answers what is held, lets go of all children (they see EOF), closes the control socket. */
void supervisor_free(struct supervisor *s); /* NULL is allowed */

/**
 * Starts `DAEMON OPTIONS... --child UUID`. `name` may be "" when not known yet. NULL with errno
 * and `err`: EEXIST (it has a child), EAGAIN, ESHUTDOWN (the daemon is stopping), ...
 */
struct vm_child *supervisor_spawn(struct supervisor *s, const struct uuid *uuid, const char *name,
                                  struct err *err) MUST_CHECK;

/**
 * The VM has no child although it should: on_respawn is called after a pause
 * (engine/base/respawn.h). Until it has one, `list` and `status` show the VM, as not protected
 * because of `why`.
 */
void supervisor_respawn_later(struct supervisor *s, const struct uuid *uuid, const char *name,
                              const char *why);

/** Nobody wants it any more. */
void supervisor_respawn_never(struct supervisor *s, const struct uuid *uuid);

/** NULL when that VM has no child. */
struct vm_child *supervisor_find(struct supervisor *s, const struct uuid *uuid);

size_t supervisor_count(const struct supervisor *s);

/**
 * The child of the VM that the request's "vm" names by UUID or by a name that only one VM has.
 * Otherwise NULL, and `conn` has been answered (`bad-request`, `unknown-vm`).
 */
struct vm_child *supervisor_lookup(struct supervisor *s, struct ctl_conn *conn,
                                   const json_t *request);

/**
 * Sends `command` (borrowed) with a fresh "id", and `fd` (-1: none; stays the caller's). When
 * `conn` is given it is held and gets the child's reply, or `failed` when the child dies first or
 * cannot be reached. -1 with errno when it could not be sent: `conn` is then answered already, and
 * without one the log has it.
 */
int supervisor_command(struct vm_child *child, const json_t *command, int fd,
                       struct ctl_conn *conn);

/**
 * The same, for work that is in vain once nobody waits for it: when `conn` hangs up before the
 * reply, the child gets {"cmd": "cancel", "of": ID}.
 */
int supervisor_command_until_gone(struct vm_child *child, const json_t *command,
                                  struct ctl_conn *conn);

/** An event of the daemon itself, about `child` unless NULL: kept, sent to followers, logged. */
void supervisor_event(struct supervisor *s, const struct vm_child *child, enum log_level level,
                      const char *event, const char *fmt, ...) PRINTF_LIKE(5, 6);

#endif
