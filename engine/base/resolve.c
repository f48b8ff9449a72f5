/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/resolve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct resolve {
    atomic_int owners; /* the loop, until it has the answer or wants none; and the thread */
    int fd;            /* eventfd: the answer is there */
    char *host, *port;
    struct addrinfo *all;
    int error;
    struct event *ev;
    resolve_cb done;
    void *arg;
};

static void put(struct resolve *r)
{
    if (atomic_fetch_sub(&r->owners, 1) > 1)
        return;
    if (r->all)
        freeaddrinfo(r->all);
    if (r->fd >= 0)
        close(r->fd);
    free(r->host);
    free(r->port);
    free(r);
}

static void *in_thread(void *arg)
{
    static const struct addrinfo tcp = {.ai_socktype = SOCK_STREAM};
    struct resolve *r = arg;
    const uint64_t one = 1;

    r->error = getaddrinfo(r->host, r->port, &tcp, &r->all);
    if (write(r->fd, &one, sizeof(one)) < 0) /* an eventfd takes its first octets at once */
        abort();
    put(r);
    return NULL;
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
    struct resolve *r = arg;
    resolve_cb done = r->done;
    void *done_arg = r->arg;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof(count)) < 0)
        return;
    struct addrinfo *all = r->error ? NULL : r->all;
    int error = r->error;
    r->all = NULL;
    resolve_cancel(r);
    done(all, error, done_arg);
}

/* Signals stay the loop's. */
static int start_thread(struct resolve *r)
{
    sigset_t all, before;
    pthread_t thread;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, NULL, in_thread, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_detach(thread);
    return error;
}

static struct resolve *prepare(struct event_base *base, const char *host, const char *port)
{
    struct resolve *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    r->owners = 1;
    r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->host = strdup(host);
    r->port = strdup(port);
    r->ev = r->fd < 0 ? NULL : event_new(base, r->fd, EV_READ, on_answer, r);
    if (r->host && r->port && r->ev && event_add(r->ev, NULL) == 0)
        return r;
    int saved = errno;
    resolve_cancel(r);
    errno = saved;
    return NULL;
}

struct resolve *resolve_start(struct event_base *base, const char *host, const char *port,
                              resolve_cb done, void *arg, struct err *err)
{
    struct resolve *r = prepare(base, host, port);

    if (!r) {
        (void)err_errno(err, "", "resolution of %s", host);
        return NULL;
    }
    r->done = done;
    r->arg = arg;
    r->owners = 2;
    int error = start_thread(r);
    if (error == 0)
        return r;
    r->owners = 1;
    resolve_cancel(r);
    errno = error;
    (void)err_errno(err, "", "thread for the resolution of %s", host);
    return NULL;
}

void resolve_cancel(struct resolve *r)
{
    if (!r)
        return;
    if (r->ev)
        event_free(r->ev);
    put(r);
}
