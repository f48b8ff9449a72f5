/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/respawn.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "engine/base/log.h"

#define FIRST_MS 10
#define LAST_MS  5000
/* A child that lived this long starts over with the shortest pause. */
#define FORGIVEN_NS (60 * NS_PER_S)

struct entry {
    LIST_ENTRY(entry) link;
    struct respawn *owner;
    struct event *ev;
    struct respawn_wait wait; /* since: the last death, also when it has been started again */
    int64_t pause_ms;
};

struct respawn {
    struct event_base *base;
    LIST_HEAD(, entry) entries;
    respawn_cb start;
    void *arg;
};

struct respawn *respawn_new(struct event_base *base, respawn_cb start, void *arg)
{
    struct respawn *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    *r = (struct respawn){.base = base, .start = start, .arg = arg};
    LIST_INIT(&r->entries);
    return r;
}

void respawn_free(struct respawn *r)
{
    struct entry *e;
    if (!r)
        return;
    while ((e = LIST_FIRST(&r->entries)) != NULL) {
        LIST_REMOVE(e, link);
        event_free(e->ev);
        free(e);
    }
    free(r);
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
    struct entry *e = arg;
    (void)fd;
    (void)what;
    e->owner->start(&e->wait.uuid, e->wait.name, e->owner->arg);
}

static struct entry *find(struct respawn *r, const struct uuid *uuid)
{
    struct entry *e;
    LIST_FOREACH(e, &r->entries, link)
    {
        if (uuid_equal(&e->wait.uuid, uuid))
            return e;
    }
    return NULL;
}

static struct entry *find_or_add(struct respawn *r, const struct uuid *uuid)
{
    struct entry *e = find(r, uuid);
    if (e)
        return e;
    e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->owner = r;
    e->wait.uuid = *uuid;
    e->ev = event_new(r->base, -1, 0, on_pause_over, e);
    if (!e->ev) {
        free(e);
        return NULL;
    }
    LIST_INSERT_HEAD(&r->entries, e, link);
    return e;
}

void respawn_later(struct respawn *r, const struct uuid *uuid, const char *name, const char *why)
{
    struct entry *e = find_or_add(r, uuid);
    if (!e) {
        log_errx("no memory to start the process of %s again", name);
        return;
    }
    struct mono now = mono_now();
    bool in_a_row = e->pause_ms > 0 && mono_sub(now, e->wait.since) < FORGIVEN_NS;
    e->pause_ms = in_a_row ? e->pause_ms * 2 : FIRST_MS;
    if (e->pause_ms > LAST_MS)
        e->pause_ms = LAST_MS;
    e->wait.since = now;
    snprintf(e->wait.name, sizeof(e->wait.name), "%s", name);
    snprintf(e->wait.why, sizeof(e->wait.why), "%s", why);
    struct timeval tv = mono_span_tv(e->pause_ms * NS_PER_MS);
    event_add(e->ev, &tv);
}

void respawn_cancel(struct respawn *r, const struct uuid *uuid)
{
    struct entry *e = find(r, uuid);
    if (e)
        event_del(e->ev);
}

void respawn_each(struct respawn *r, void (*each)(const struct respawn_wait *w, void *arg),
                  void *arg)
{
    struct entry *e;
    LIST_FOREACH(e, &r->entries, link)
    {
        if (event_pending(e->ev, EV_TIMEOUT, NULL))
            each(&e->wait, arg);
    }
}
