/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/child.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "engine/base/text.h"

int child_init(struct child *c, const char *role, const char *uuid_text, chan_message_cb on_message,
               chan_closed_cb on_parent_gone, void *arg)
{
    *c = (struct child){.role = role};
    /* Buffers of up to a megabyte come and go with every epoch: keep their memory. */
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    prctl(PR_SET_NAME,
          program_invocation_short_name); /* not "exe", as the exec of itself is called */
    if (uuid_parse(uuid_text, &c->uuid) < 0)
        return -1;
    uuid_format(&c->uuid, c->uuid_text);

    /* A timer counts from when it is set: counted from when the callback began, as without
     * NO_CACHE_TIME, a VM would be stopped again as soon as a long stop of it is over. */
    static const int flags = EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NO_CACHE_TIME;
    struct event_config *cfg = event_config_new();
    if (!cfg || event_config_set_flag(cfg, flags) < 0) {
        errno = ENOMEM;
        return -1;
    }
    c->base = event_base_new_with_config(cfg);
    event_config_free(cfg);
    if (!c->base) {
        errno = ENOMEM;
        return -1;
    }
    c->chan = chan_new(c->base, CHAN_CHILD_FD, on_message, on_parent_gone, arg);
    return c->chan ? 0 : -1;
}

void child_set_name(struct child *c, const char *name)
{
    snprintf(c->name, sizeof(c->name), "%s", name);
    text_clean(c->name);
    log_context(c->name);
}

static void send_stolen(struct child *c, json_t *message, bool matters)
{
    if (message && c->chan && chan_send(c->chan, message, -1) < 0 && matters)
        log_warn("message to the daemon lost");
    json_decref(message);
}

static void say(enum log_level level, const char *text)
{
    if (level == LOG_LEVEL_ERROR)
        log_errx("%s", text);
    else if (level == LOG_LEVEL_WARN)
        log_warnx("%s", text);
    else
        log_info("%s", text);
}

static void event_text(struct child *c, enum log_level level, const char *name, const char *text)
{
    static const char *const level_names[] = {"error", "warn", "info", "info"};
    say(level, text);
    send_stolen(c,
                json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "type", "event", "event",
                          name, "uuid", c->uuid_text, "name", c->name, "role", c->role, "level",
                          level_names[level], "mono_ns", (json_int_t)mono_now().ns, "text", text),
                true);
}

void child_event(struct child *c, enum log_level level, const char *name, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    text_clean(text);
    event_text(c, level, name, text);
}

/** `reply` is stolen. `last`: the child ends now. */
static void send_reply(struct child *c, json_int_t id, json_t *reply, bool last)
{
    if (id == 0 || !reply) {
        json_decref(reply);
        return;
    }
    json_object_set_new(reply, "type", json_string("reply"));
    json_object_set_new(reply, "id", json_integer(id));
    if (last)
        json_object_set_new(reply, "last", json_true());
    send_stolen(c, reply, true);
}

static json_t *refusal(const char *code, const struct err *err)
{
    return json_pack("{s:b, s:s, s:s, s:s}", "ok", 0, "code", code, "error", err->text, "hint",
                     err->hint);
}

void child_reply_ok(struct child *c, json_int_t id, json_t *fields)
{
    json_t *reply = json_pack("{s:b}", "ok", 1);
    if (reply && fields)
        json_object_update(reply, fields);
    json_decref(fields);
    send_reply(c, id, reply, false);
}

void child_reply_err(struct child *c, json_int_t id, const char *code, const struct err *err)
{
    send_reply(c, id, refusal(code, err), false);
}

void child_reply_last(struct child *c, json_int_t id, const char *code, const struct err *err)
{
    send_reply(c, id, code ? refusal(code, err) : json_pack("{s:b}", "ok", 1), true);
}

void child_status(struct child *c, json_t *status)
{
    send_stolen(c, json_pack("{s:s, s:o}", "type", "status", "status", status), false);
}

static struct child_degraded *find(struct child *c, const char *cause)
{
    for (size_t i = 0; i < c->degraded_count; i++) {
        if (strcmp(c->degraded[i].cause, cause) == 0)
            return &c->degraded[i];
    }
    return NULL;
}

void child_degrade(struct child *c, const char *cause, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    text_clean(text);

    struct child_degraded *d = find(c, cause);
    if (!d) {
        if (c->degraded_count == CHILD_DEGRADED_MAX)
            c->degraded_count--; /* more causes than the code has names for: cannot happen */
        d = &c->degraded[c->degraded_count++];
        *d = (struct child_degraded){.cause = cause, .since = mono_now()};
        event_text(c, LOG_LEVEL_WARN, cause, text);
    } else if (strcmp(d->text, text) != 0) {
        event_text(c, LOG_LEVEL_WARN, cause, text);
    }
    snprintf(d->text, sizeof(d->text), "%s", text);
}

void child_restore(struct child *c, const char *cause)
{
    struct child_degraded *d = find(c, cause);
    if (!d)
        return;
    child_event(c, LOG_LEVEL_INFO, "restored", "over after %lld ms: %s",
                (long long)(mono_sub(mono_now(), d->since) / NS_PER_MS), d->text);
    *d = c->degraded[--c->degraded_count];
}

json_t *child_degraded_json(const struct child *c)
{
    json_t *array = json_array();
    for (size_t i = 0; i < c->degraded_count; i++) {
        const struct child_degraded *d = &c->degraded[i];
        json_array_append_new(
            array, json_pack("{s:s, s:s, s:I}", "cause", d->cause, "text", d->text, "for_ms",
                             (json_int_t)(mono_sub(mono_now(), d->since) / NS_PER_MS)));
    }
    return array;
}

void child_free(struct child *c)
{
    chan_free(c->chan);
    event_base_free(c->base);
}

void child_done(struct child *c)
{
    if (!c->chan)
        return;
    send_stolen(c, json_pack("{s:s}", "type", "done"), true);
    chan_free(c->chan);
    c->chan = NULL;
}
