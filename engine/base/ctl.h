/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_CTL_H
#define REMUS_CTL_H

#include <event2/event.h>
#include <jansson.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/**
 * The control socket of a daemon (docs/control.md): a Unix stream socket, mode 0600, one JSON object
 * per line in each direction. Requests: {"cmd": "...", ...}. Replies: {"ok": true, ...} or
 * {"ok": false, "code": "...", "error": "...", "hint": "..."}.
 * The other end is not trusted with memory or time: a line has at most CTL_LINE_MAX bytes, there are
 * at most CTL_CONN_MAX connections, and an idle one without a pending request is closed after
 * CTL_IDLE_S seconds.
 */
#define CTL_LINE_MAX 65536
#define CTL_CONN_MAX 64
#define CTL_IDLE_S   60

struct ctl_server;
struct ctl_conn;

/**
 * Called for each request (borrowed). The handler answers by ctl_reply now or later, once; or it
 * calls ctl_stream and then ctl_push any number of times.
 */
typedef void (*ctl_request_cb)(struct ctl_conn *conn, json_t *request, void *arg);

/** A stale socket file is replaced; a live one (somebody answers) is an error. NULL with `err`. */
struct ctl_server *ctl_server_new(struct event_base *base, const char *path, ctl_request_cb on_request,
                                  void *arg, struct err *err);
void ctl_server_free(struct ctl_server *server); /* NULL is allowed; removes the socket file */

/** A handle on `conn` that stays valid after the peer hung up: release it by ctl_reply. */
struct ctl_conn *ctl_hold(struct ctl_conn *conn);

/** Sends `reply` (stolen) and, when the connection was held, lets go of it. */
void ctl_reply(struct ctl_conn *conn, json_t *reply);
void ctl_reply_ok(struct ctl_conn *conn);
void ctl_reply_err(struct ctl_conn *conn, const char *code, const struct err *err);

/** Turns `conn` into a stream of lines for ctl_broadcast; a reader that falls behind is dropped. */
void ctl_stream(struct ctl_conn *conn);
/** Sends `line` (borrowed) to every streaming connection. */
void ctl_broadcast(struct ctl_server *server, const json_t *line);

/* ---- client side, blocking, for remusctl and tests ---- */

/** Connected descriptor, or -1 with `err` (daemon not running, no rights). */
int ctl_connect(const char *path, struct err *err) MUST_CHECK;

/** Sends one request (borrowed). */
int ctl_send(int fd, const json_t *request, struct err *err) MUST_CHECK;

/**
 * Reads one line: new reference, or NULL with `err` (EOF has errno=0). `timeout_ms` -1: forever.
 * `buf` keeps what was read beyond the line; start with a zeroed struct.
 */
struct ctl_buf {
    char data[CTL_LINE_MAX];
    size_t len;
};
json_t *ctl_read(int fd, struct ctl_buf *buf, int timeout_ms, struct err *err) MUST_CHECK;

#endif
