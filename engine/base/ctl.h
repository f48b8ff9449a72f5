/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_CTL_H
#define REMUS_CTL_H

#include <event2/event.h>
#include <jansson.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/**
 * The control socket of a daemon (docs/control.md): a Unix stream socket, mode 0600, one JSON
 * object per line in each direction. Requests: {"cmd": "...", ...}. Replies: {"ok": true, ...} or
 * {"ok": false, "code": "...", "error": "...", "hint": "..."}.
 * The other end is not trusted with memory or time: a request has at most CTL_LINE_MAX bytes, there
 * are at most CTL_CONN_MAX connections, each has one request at work, and an idle one without a
 * pending request is closed after CTL_IDLE_S seconds. A reply has at most CTL_REPLY_MAX bytes.
 */
#define CTL_LINE_MAX  65536
#define CTL_REPLY_MAX (16 * 1024 * 1024)
#define CTL_CONN_MAX  64
#define CTL_IDLE_S    60

struct ctl_server;
struct ctl_conn;

/**
 * Called for each request (borrowed; an object whose "cmd" is a string). The handler answers by
 * ctl_reply, once: now, or later if it called ctl_hold. It may call ctl_stream besides.
 */
typedef void (*ctl_request_cb)(struct ctl_conn *conn, json_t *request, void *arg);

/**
 * Listens at `path`, creating its directory (0700) if needed. A stale socket file is replaced; a
 * live one (somebody answers) is an error. Makes the process ignore SIGPIPE. NULL with errno and
 * `err`.
 */
struct ctl_server *ctl_server_new(struct event_base *base, const char *path,
                                  ctl_request_cb on_request, void *arg, struct err *err);
void ctl_server_free(struct ctl_server *server); /* NULL is allowed; removes the socket file */

/**
 * A handle on `conn` that stays valid after the peer hung up and after ctl_server_free: release it
 * by ctl_reply, which then just forgets the reply.
 */
struct ctl_conn *ctl_hold(struct ctl_conn *conn);

/**
 * `on_gone` is called should the peer hang up before `conn`, which is held, is answered: nobody
 * waits for the answer any more. It must be given all the same.
 */
typedef void (*ctl_gone_cb)(void *arg);
void ctl_on_gone(struct ctl_conn *conn, ctl_gone_cb on_gone, void *arg);

/** Sends `reply` (stolen) and, when the connection was held, lets go of it. */
void ctl_reply(struct ctl_conn *conn, json_t *reply);
void ctl_reply_ok(struct ctl_conn *conn);
void ctl_reply_err(struct ctl_conn *conn, const char *code, const struct err *err);

/**
 * Makes `conn` one of those that get what ctl_broadcast sends, after the reply if there is one.
 * Further requests on it are ignored; a reader that falls behind is dropped.
 */
void ctl_stream(struct ctl_conn *conn);
/** Sends `line` (borrowed) to every streaming connection. */
void ctl_broadcast(struct ctl_server *server, const json_t *line);

/* ---- client side, blocking, for remusctl and tests ---- */

/** Connected descriptor, or -1 with `err` (daemon not running, no rights). */
int ctl_connect(const char *path, struct err *err) MUST_CHECK;

/** Sends one request (borrowed). */
int ctl_send(int fd, const json_t *request, struct err *err) MUST_CHECK;

/** What was read beyond the last line; start with a zeroed struct, end with ctl_buf_free. */
struct ctl_buf {
    char *data;
    size_t len, cap;
};
void ctl_buf_free(struct ctl_buf *buf);

/**
 * Reads one line: new reference, or NULL with `err` and errno (EOF has errno=0, ETIMEDOUT after
 * `timeout_ms`; -1: forever).
 */
json_t *ctl_read(int fd, struct ctl_buf *buf, int timeout_ms, struct err *err) MUST_CHECK;

#endif
