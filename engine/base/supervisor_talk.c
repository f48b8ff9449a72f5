/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/supervisor_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EVENT_TEXT_MAX 512

/* ---- commands ---- */

static struct asked *remember(struct vm_child *child, json_int_t id, struct ctl_conn *conn)
{
    struct asked *asked = calloc(1, sizeof(*asked));

    if (!asked)
        return NULL;
    *asked = (struct asked){.child = child, .id = id, .conn = ctl_hold(conn)};
    TAILQ_INSERT_TAIL(&child->supervisor->asked, asked, link);
    return asked;
}

static void fail_conn(const struct vm_child *child, struct ctl_conn *conn)
{
    struct err err;

    err_errno(&err, "see the daemon's log; it may work in a moment",
              "cannot reach VM child %d of %s", (int)child->pid,
              child->name[0] ? child->name : child->uuid_text);
    if (conn)
        ctl_reply_err(conn, "failed", &err);
    else
        log_errx("%s", err.text);
}

static int send_command(struct vm_child *child, const json_t *command, json_int_t id, int fd)
{
    json_t *copy = json_copy((json_t *)command);

    if (!child->chan) {
        errno = EPIPE;
        json_decref(copy);
        return -1;
    }
    if (!copy || json_object_set_new(copy, "id", json_integer(id))) {
        json_decref(copy);
        errno = ENOMEM;
        return -1;
    }
    int rc = chan_send(child->chan, copy, fd);
    int saved = errno;
    json_decref(copy);
    errno = saved;
    return rc;
}

int supervisor_command(struct vm_child *child, const json_t *command, int fd, struct ctl_conn *conn)
{
    json_int_t id = ++child->supervisor->last_id;

    if (send_command(child, command, id, fd) || (conn && !remember(child, id, conn))) {
        int saved = errno;
        fail_conn(child, conn);
        errno = saved;
        return -1;
    }
    return 0;
}

static void on_asker_gone(void *arg)
{
    struct asked *asked = arg;
    json_t *cancel = json_pack("{s:s, s:I}", "cmd", "cancel", "of", asked->id);

    if (!cancel || supervisor_command(asked->child, cancel, -1, NULL))
        log_warnx("what nobody waits for any more goes on");
    json_decref(cancel);
}

int supervisor_command_until_gone(struct vm_child *child, const json_t *command,
                                  struct ctl_conn *conn)
{
    struct asked *asked;

    if (supervisor_command(child, command, -1, conn))
        return -1;
    asked = TAILQ_LAST(&child->supervisor->asked, asked_list);
    ctl_on_gone(conn, on_asker_gone, asked);
    return 0;
}

static void forget(struct supervisor *s, struct asked *asked)
{
    TAILQ_REMOVE(&s->asked, asked, link);
    json_decref(asked->last);
    free(asked);
}

void supervisor_fail_asked(struct vm_child *child)
{
    struct supervisor *s = child->supervisor;
    struct asked *next;
    struct err err;

    for (struct asked *asked = TAILQ_FIRST(&s->asked); asked; asked = next) {
        next = TAILQ_NEXT(asked, link);
        if (asked->child != child)
            continue;
        if (asked->last) {
            ctl_reply(asked->conn, json_incref(asked->last));
            forget(s, asked);
            continue;
        }
        err_set(&err, "see the daemon's log and remusctl events",
                "VM child %d of %s ended before it answered", (int)child->pid,
                child->name[0] ? child->name : child->uuid_text);
        ctl_reply_err(asked->conn, "failed", &err);
        forget(s, asked);
    }
}

/* ---- what comes back ---- */

static void take_reply(struct vm_child *child, const json_t *message)
{
    struct supervisor *s = child->supervisor;
    json_int_t id = json_integer_value(json_object_get(message, "id"));

    for (struct asked *asked = TAILQ_FIRST(&s->asked); asked; asked = TAILQ_NEXT(asked, link)) {
        if (asked->child != child || asked->id != id)
            continue;
        json_t *reply = json_copy((json_t *)message);
        json_object_del(reply, "type");
        json_object_del(reply, "id");
        if (json_object_del(reply, "last") == 0) {
            json_decref(asked->last);
            asked->last = reply;
            return;
        }
        ctl_reply(asked->conn, reply);
        forget(s, asked);
        return;
    }
}

static void take_status(struct vm_child *child, json_t *message)
{
    json_t *status = json_object_get(message, "status");
    const char *name = json_string_value(json_object_get(status, "name"));

    if (!json_is_object(status))
        return;
    json_decref(child->status);
    child->status = json_incref(status);
    child->heard = mono_now();
    if (name && name[0])
        snprintf(child->name, sizeof(child->name), "%s", name);
}

static void set_missing(json_t *object, const char *key, json_t *value)
{
    if (json_object_get(object, key))
        json_decref(value);
    else
        json_object_set_new(object, key, value);
}

static json_t *time_now(void)
{
    char text[40];
    struct timespec ts;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + len, sizeof(text) - len, ".%03ldZ", ts.tv_nsec / 1000000);
    return json_string(text);
}

/* Fills in what every event has, keeps it, and sends it to followers. */
static void publish(struct supervisor *s, const struct vm_child *child, json_t *event)
{
    set_missing(event, "time", time_now());
    set_missing(event, "mono_ns", json_integer(mono_now().ns));
    set_missing(event, "uuid", json_string(child ? child->uuid_text : ""));
    set_missing(event, "name", json_string(child ? child->name : ""));
    set_missing(event, "role", json_string(s->args.role));
    set_missing(event, "level", json_string("info"));
    events_add(&s->events, event);
    ctl_broadcast(s->ctl, event);
}

/* The child has written its own log line. */
static void take_event(struct vm_child *child, json_t *message)
{
    json_t *event = json_copy(message);

    if (event && json_is_string(json_object_get(event, "event"))) {
        json_object_del(event, "type");
        publish(child->supervisor, child, event);
    }
    json_decref(event);
}

void supervisor_on_message(struct chan *chan, json_t *message, int fd, void *arg)
{
    struct vm_child *child = arg;
    const char *type = json_string_value(json_object_get(message, "type"));

    (void)chan;
    if (fd >= 0)
        close(fd);
    if (!type)
        type = "";
    if (strcmp(type, "status") == 0)
        take_status(child, message);
    else if (strcmp(type, "event") == 0)
        take_event(child, message);
    else if (strcmp(type, "reply") == 0)
        take_reply(child, message);
    else if (strcmp(type, "done") == 0)
        child->done = true;
    else
        log_warnx("VM child %d sent a message of unknown type", (int)child->pid);
}

void supervisor_on_closed(struct chan *chan, void *arg)
{
    struct vm_child *child = arg;

    chan_free(chan);
    child->chan = NULL;
}

static void log_event(enum log_level level, const struct vm_child *child, const char *text)
{
    const char *who = !child ? "" : child->name[0] ? child->name : child->uuid_text;
    const char *sep = child ? ": " : "";

    if (level == LOG_LEVEL_ERROR)
        log_errx("%s%s%s", who, sep, text);
    else if (level == LOG_LEVEL_WARN)
        log_warnx("%s%s%s", who, sep, text);
    else
        log_info("%s%s%s", who, sep, text);
}

void supervisor_event(struct supervisor *s, const struct vm_child *child, enum log_level level,
                      const char *name, const char *fmt, ...)
{
    static const char *const levels[] = {"error", "warn", "info", "info"};
    char text[EVENT_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    log_event(level, child, text);
    json_t *event =
        json_pack("{s:s, s:s, s:s}", "level", levels[level], "event", name, "text", text);
    if (event)
        publish(s, child, event);
    json_decref(event);
}
