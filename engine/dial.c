/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/dial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/mono.h"
#include "engine/base/resolve.h"

#define HOST_MAX 256

struct dial {
    struct event_base *base;
    struct event *ev;
    struct resolve *resolve;
    struct addrinfo *all, *next;
    int fd, last_errno;
    struct timeval timeout;
    char target[HOST_MAX];
    dial_cb done;
    void *arg;
};

/** Splits HOST[:PORT]; an IPv6 address with a port is in brackets. */
static int split(const char *target, char *host, char *port, size_t port_len)
{
    const char *end, *colon;
    size_t skip = 0;

    if (target[0] == '[') {
        skip = 1;
        end = strchr(target, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return -1;
        colon = end[1] == ':' ? end + 1 : NULL;
    } else {
        colon = strchr(target, ':');
        if (colon && strchr(colon + 1, ':'))
            colon = NULL; /* a bare IPv6 address */
        end = colon ? colon : target + strlen(target);
    }
    size_t len = (size_t)(end - target) - skip;
    if (len == 0 || len >= HOST_MAX ||
        (colon && (colon[1] == '\0' || strlen(colon + 1) >= port_len)))
        return -1;
    memcpy(host, target + skip, len);
    host[len] = '\0';
    snprintf(port, port_len, "%s", colon ? colon + 1 : DIAL_DEFAULT_PORT);
    return 0;
}

int dial_check(const char *target, struct err *err)
{
    char host[HOST_MAX], port[16], *end;
    if (split(target, host, port, sizeof(port)) == 0) {
        long n = strtol(port, &end, 10);
        if (port[0] >= '0' && port[0] <= '9' && *end == '\0' && n >= 1 && n <= 65535)
            return 0;
    }
    return err_set(err, "use HOST, HOST:PORT or [IPV6]:PORT", "bad backup address '%s'", target);
}

void dial_cancel(struct dial *d)
{
    if (!d)
        return;
    if (d->ev)
        event_free(d->ev);
    resolve_cancel(d->resolve);
    if (d->fd >= 0)
        close(d->fd);
    if (d->all)
        freeaddrinfo(d->all);
    free(d);
}

static void finish(struct dial *d, int fd, const struct err *err)
{
    dial_cb done = d->done;
    void *arg = d->arg;
    dial_cancel(d);
    done(fd, err, arg);
}

static void try_next(struct dial *d);

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
    struct dial *d = arg;
    int error = ETIMEDOUT;
    socklen_t len = sizeof(error);

    event_free(d->ev);
    d->ev = NULL;
    if (what & EV_WRITE)
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error == 0) {
        d->fd = -1;
        finish(d, fd, NULL);
        return;
    }
    close(fd);
    d->fd = -1;
    d->last_errno = error;
    try_next(d);
}

/** Starts the next address; reports through on_connected even when it fails at once. */
static void try_next(struct dial *d)
{
    for (; d->next; d->next = d->next->ai_next) {
        const struct addrinfo *a = d->next;
        d->fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
        if (d->fd < 0) {
            d->last_errno = errno;
            continue;
        }
        if (connect(d->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS) {
            d->last_errno = errno;
            close(d->fd);
            d->fd = -1;
            continue;
        }
        d->ev = event_new(d->base, d->fd, EV_WRITE, on_connected, d);
        if (d->ev && event_add(d->ev, &d->timeout) == 0) {
            d->next = a->ai_next;
            return;
        }
        d->last_errno = ENOMEM;
        break;
    }
    struct err err;
    errno = d->last_errno;
    (void)err_errno(&err, "is backupd running there, and is the port open?",
                    "backup %s not reached", d->target);
    finish(d, -1, &err);
}

static void drop_timer(struct dial *d)
{
    event_free(d->ev);
    d->ev = NULL;
}

static void on_start(evutil_socket_t fd, short what, void *arg)
{
    struct dial *d = arg;
    (void)fd;
    (void)what;
    drop_timer(d);
    try_next(d);
}

static void on_unresolved(evutil_socket_t fd, short what, void *arg)
{
    struct dial *d = arg;
    struct err err;
    (void)fd;
    (void)what;
    errno = ETIMEDOUT;
    (void)err_errno(&err, "do the name servers answer?", "backup %s: not resolved", d->target);
    finish(d, -1, &err);
}

static void on_resolved(struct addrinfo *all, int error, void *arg)
{
    struct dial *d = arg;
    struct err err;

    d->resolve = NULL;
    drop_timer(d);
    d->all = d->next = all;
    if (all) {
        try_next(d);
        return;
    }
    errno = EHOSTUNREACH;
    (void)err_set(&err, "check the name", "backup %s: %s", d->target, gai_strerror(error));
    finish(d, -1, &err);
}

static int no_memory(const struct dial *d, struct err *err)
{
    return err_set(err, "", "connection to %s: no memory", d->target);
}

/** An address needs nobody's answer. */
static int begin(struct dial *d, const char *host, const char *port, struct err *err)
{
    static const struct addrinfo numeric = {.ai_socktype = SOCK_STREAM,
                                            .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};

    if (getaddrinfo(host, port, &numeric, &d->all) == 0) {
        d->next = d->all;
        d->ev = event_new(d->base, -1, 0, on_start, d);
        if (!d->ev)
            return no_memory(d, err);
        event_active(d->ev, EV_TIMEOUT, 0);
        return 0;
    }
    d->all = NULL;
    d->ev = event_new(d->base, -1, 0, on_unresolved, d);
    if (!d->ev || event_add(d->ev, &d->timeout))
        return no_memory(d, err);
    d->resolve = resolve_start(d->base, host, port, on_resolved, d, err);
    return d->resolve ? 0 : -1;
}

struct dial *dial_start(struct event_base *base, const char *target, int64_t timeout_ms,
                        dial_cb done, void *arg, struct err *err)
{
    char host[HOST_MAX], port[16];

    if (dial_check(target, err) < 0 || split(target, host, port, sizeof(port)) < 0)
        return NULL;
    struct dial *d = calloc(1, sizeof(*d));
    if (!d) {
        (void)err_errno(err, "", "connection to %s", target);
        return NULL;
    }
    *d =
        (struct dial){.base = base, .fd = -1, .done = done, .arg = arg, .last_errno = EHOSTUNREACH};
    d->timeout = mono_span_tv(timeout_ms * NS_PER_MS);
    snprintf(d->target, sizeof(d->target), "%s", target);
    if (begin(d, host, port, err) == 0)
        return d;
    dial_cancel(d);
    return NULL;
}
