/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/remusctl_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/remusctl_text.h"

#define RUN_DIR_DEFAULT "/run/remus"

static void default_path(bool backupd, char path[PATH_MAX])
{
    const char *dir = getenv("REMUS_RUN_DIR");
    snprintf(path, PATH_MAX, "%s/%s", dir && *dir ? dir : RUN_DIR_DEFAULT,
             backupd ? "backupd.sock" : "remusd.sock");
}

void ctl_sockets_one(const struct ctl_args *args, bool backupd, struct ctl_sockets *ret)
{
    ret->n = 1;
    if (args->socket)
        snprintf(ret->path[0], PATH_MAX, "%s", args->socket);
    else
        default_path(backupd, ret->path[0]);
}

void ctl_sockets_all(const struct ctl_args *args, struct ctl_sockets *ret)
{
    ctl_sockets_one(args, args->backup, ret);
    if (args->socket || args->backup)
        return;
    default_path(true, ret->path[1]);
    ret->n = 2;
}

json_t *ctl_request(const struct ctl_args *args, const char *cmd)
{
    json_t *request = json_pack("{s:s}", "cmd", cmd);
    if (!request || (args->vm && json_object_set_new(request, "vm", json_string(args->vm)) < 0)) {
        /* jansson takes UTF-8 only */
        fputs("remusctl: the VM's name is not valid UTF-8, or memory is short\n", stderr);
        exit(CTL_USAGE);
    }
    return request;
}

static void fail(struct ctl_failure *why, enum ctl_exit exit_code, const char *code)
{
    why->exit = exit_code;
    snprintf(why->code, sizeof(why->code), "%s", code);
}

static void fail_read(struct ctl_failure *why, int error, const char *path)
{
    if (error == ETIMEDOUT || error == EAGAIN) {
        fail(why, CTL_TIMEOUT, CTL_CODE_TIMEOUT);
        (void)err_set(&why->err, "what was asked may still be done: see remusctl status",
                      "no reply in time from %s", path);
    } else if (error == 0 || error == ECONNRESET || error == EPIPE) {
        fail(why, CTL_NO_DAEMON, CTL_CODE_NO_DAEMON);
        (void)err_set(&why->err, "see the daemon's log",
                      "the daemon at %s hung up before it answered", path);
    } else {
        fail(why, CTL_FAILED, CTL_CODE_BAD_REPLY);
    }
}

static void copy_text(char *to, size_t cap, const json_t *from, const char *otherwise)
{
    const char *text = json_string_value(from);
    snprintf(to, cap, "%s", text ? text : otherwise);
    text_clean(to);
}

static void fail_refused(struct ctl_failure *why, const json_t *reply)
{
    copy_text(why->code, sizeof(why->code), json_object_get(reply, "code"), "failed");
    copy_text(why->err.text, sizeof(why->err.text), json_object_get(reply, "error"),
              "the daemon refused and gave no reason");
    copy_text(why->err.hint, sizeof(why->err.hint), json_object_get(reply, "hint"), "");
    why->exit = strcmp(why->code, "unknown-vm") == 0 ? CTL_UNKNOWN_VM : CTL_FAILED;
}

json_t *ctl_await(struct ctl_conversation *c, const char *path, int timeout_ms,
                  struct ctl_failure *why)
{
    json_t *reply = ctl_read(c->fd, &c->buf, timeout_ms, &why->err);
    if (!reply) {
        fail_read(why, errno, path);
        return NULL;
    }
    const json_t *ok = json_object_get(reply, "ok");
    if (json_is_true(ok))
        return reply;
    if (json_is_false(ok)) {
        fail_refused(why, reply);
    } else {
        fail(why, CTL_FAILED, CTL_CODE_BAD_REPLY);
        (void)err_set(&why->err, "are remusctl and the daemon of one version?",
                      "the answer from %s is not a reply", path);
    }
    json_decref(reply);
    return NULL;
}

int ctl_begin(struct ctl_conversation *c, const char *path, const json_t *request,
              struct ctl_failure *ret_why)
{
    *ret_why = (struct ctl_failure){0};
    *c = (struct ctl_conversation){0};
    c->fd = ctl_connect(path, &ret_why->err);
    ret_why->absent = c->fd < 0 && errno == ENOENT;
    if (c->fd >= 0 && ctl_send(c->fd, request, &ret_why->err) == 0)
        return CTL_OK;
    fail(ret_why, CTL_NO_DAEMON, CTL_CODE_NO_DAEMON);
    ctl_close(c);
    return CTL_NO_DAEMON;
}

json_t *ctl_open(struct ctl_conversation *c, const char *path, const json_t *request,
                 int timeout_ms, struct ctl_failure *ret_why)
{
    json_t *reply = NULL;

    if (ctl_begin(c, path, request, ret_why) == CTL_OK)
        reply = ctl_await(c, path, timeout_ms, ret_why);
    if (!reply)
        ctl_close(c);
    return reply;
}

void ctl_close(struct ctl_conversation *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    ctl_buf_free(&c->buf);
}

json_t *ctl_ask(const char *path, const json_t *request, int timeout_ms,
                struct ctl_failure *ret_why)
{
    struct ctl_conversation c;
    json_t *reply = ctl_open(&c, path, request, timeout_ms, ret_why);
    ctl_close(&c);
    return reply;
}

/* What is not known outweighs what is known, and that outweighs a daemon that is not there. */
static int weight(const struct ctl_failure *why)
{
    if (why->absent)
        return 1;
    if (why->exit == CTL_NO_DAEMON)
        return 2;
    return why->exit == CTL_UNKNOWN_VM ? 3 : 4;
}

json_t *ctl_ask_all(const struct ctl_sockets *to, const json_t *request, const char *field,
                    int timeout_ms, struct ctl_failure *ret_why)
{
    struct ctl_failure why;
    json_t *all = json_array();
    int answered = 0;

    *ret_why = (struct ctl_failure){0};
    for (int i = 0; i < to->n; i++) {
        json_t *reply = ctl_ask(to->path[i], request, timeout_ms, &why);
        if (reply) {
            json_array_extend(all, json_object_get(reply, field));
            json_decref(reply);
            answered++;
        } else if (ret_why->exit == CTL_OK || weight(&why) > weight(ret_why)) {
            *ret_why = why;
        }
    }
    if (answered > 0 && ret_why->exit != CTL_OK && weight(ret_why) != 1 && weight(ret_why) != 3)
        fprintf(stderr, "remusctl: warning: %s\n", ret_why->err.text);
    if (answered > 0)
        return all;
    json_decref(all);
    return NULL;
}

int ctl_report(const struct ctl_args *args, const struct ctl_failure *why)
{
    fprintf(stderr, "remusctl: %s\n", why->err.text);
    if (why->err.hint[0])
        fprintf(stderr, "  hint: %s\n", why->err.hint);
    if (args->json) {
        json_t *json = json_pack("{s:b, s:s, s:s, s:s}", "ok", 0, "code", why->code, "error",
                                 why->err.text, "hint", why->err.hint);
        ctl_print_json(json);
        json_decref(json);
    }
    return (int)why->exit;
}

void ctl_print_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
}
