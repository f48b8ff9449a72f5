/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_REMUSCTL_ASK_H
#define REMUS_REMUSCTL_ASK_H

#include <jansson.h>
#include <limits.h>
#include <stddef.h>

#include "engine/base/ctl.h"
#include "tools/remusctl_args.h"

#define CTL_CODE_MAX 32

/** Why an answer did not come or was a refusal. Codes are the daemons', or one of these. */
#define CTL_CODE_NO_DAEMON "no-daemon"
#define CTL_CODE_TIMEOUT   "timeout"
#define CTL_CODE_BAD_REPLY "bad-reply"

struct ctl_failure {
    enum ctl_exit exit;
    bool absent; /* no socket there at all: no such daemon on this host */
    char code[CTL_CODE_MAX];
    struct err err;
};

/** The sockets that a command which can be put to both daemons goes to; the number of them. */
#define CTL_DAEMONS 2
struct ctl_sockets {
    int n;
    char path[CTL_DAEMONS][PATH_MAX];
};
void ctl_sockets_all(const struct ctl_args *args, struct ctl_sockets *ret);

/** The one socket of a command that only one daemon can carry out. */
void ctl_sockets_one(const struct ctl_args *args, bool backupd, struct ctl_sockets *ret);

/** {"cmd": cmd}, and "vm" when one was named. Never NULL: out of memory ends the program. */
json_t *ctl_request(const struct ctl_args *args, const char *cmd);

/** A connection on which `request` (borrowed) was sent and the first reply is ok. */
struct ctl_conversation {
    int fd; /* -1: closed */
    struct ctl_buf buf;
};

/** New reference to the reply with "ok": true; NULL with `ret_why`. The connection is then closed.
 */
json_t *ctl_open(struct ctl_conversation *c, const char *path, const json_t *request,
                 int timeout_ms, struct ctl_failure *ret_why);
void ctl_close(struct ctl_conversation *c);

/**
 * ctl_open in two halves, for a reply that takes its time. CTL_TIMEOUT from the second one leaves
 * the conversation as it is: the reply may still come. ctl_close ends it in any case.
 */
int ctl_begin(struct ctl_conversation *c, const char *path, const json_t *request,
              struct ctl_failure *ret_why);
json_t *ctl_await(struct ctl_conversation *c, const char *path, int timeout_ms,
                  struct ctl_failure *ret_why);

/** ctl_open and ctl_close. */
json_t *ctl_ask(const char *path, const json_t *request, int timeout_ms,
                struct ctl_failure *ret_why);

/**
 * Puts `request` to all sockets and joins the arrays called `field`: a new array, or NULL with
 * `ret_why` when none answered well. A daemon that is there but fails beside another that answers
 * is told on stderr.
 */
json_t *ctl_ask_all(const struct ctl_sockets *to, const json_t *request, const char *field,
                    int timeout_ms, struct ctl_failure *ret_why);

/** Tells the user (and with --json also the program that reads stdout); returns why->exit. */
int ctl_report(const struct ctl_args *args, const struct ctl_failure *why);

/** One JSON document on a line of its own (borrowed). */
void ctl_print_json(const json_t *json);

#endif
