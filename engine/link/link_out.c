/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/fault.h"
#include "engine/base/log.h"
#include "engine/link/link_impl.h"

/* More than a socket holds unread, and yet an end. */
#define LAST_READS 16

/** What waits in the kernel delays a heartbeat as much as what waits here. */
static void bound_unsent(struct link *link)
{
    size_t want = link->pace.budget / 2;
    if (want <= link->unsent * 2 && want >= link->unsent / 2 && link->unsent)
        return;
    int value = (int)want;
    link->unsent = want;
    /* Not a TCP socket in some tests: harmless. */
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, sizeof(value));
}

int link_write_some(struct link *link)
{
    while (evbuffer_get_length(link->out) > 0) {
        if (FAULT(primary_link_write)) {
            errno = EPIPE;
            return -1;
        }
        int n = evbuffer_write(link->out, link->fd);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0)
            return -1;
        link->sent += (uint64_t)n;
        link_pace_sent(&link->pace, mono_now(), (size_t)n, evbuffer_get_length(link->out));
    }
    if (link_full(link)) /* also by a budget that shrank */
        link->was_full = true;
    bound_unsent(link);
    return 0;
}

static void note_room(struct link *link)
{
    if (!link->was_full || evbuffer_get_length(link->out) > link->pace.budget / 2)
        return;
    link->was_full = false;
    if (link->ops->on_room)
        link->ops->on_room(link, link->arg);
}

/** A peer that is gone may have said why: its last word is in the socket still. */
static void write_failed(struct link *link, int error)
{
    link_take_input(link, LAST_READS);
    if (link->over || link->dropped)
        return;
    errno = error;
    link_over_errno(link, "write");
}

void link_on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct link *link = arg;
    (void)fd;
    (void)what;

    link->busy = true;
    if (link->write_error || link_write_some(link) < 0) {
        write_failed(link, link->write_error ? link->write_error : errno);
    } else {
        if (evbuffer_get_length(link->out) > 0)
            event_add(link->write_ev, NULL);
        note_room(link);
    }
    link_leave(link);
}

void link_flush(struct link *link)
{
    if (link->over)
        return;
    /* A failure here is reported by the event, not from inside the caller's own call. */
    if (link_write_some(link) < 0)
        link->write_error = errno;
    else if (evbuffer_get_length(link->out) > 0)
        event_add(link->write_ev, NULL);
    if (link->write_error ||
        (link->was_full && evbuffer_get_length(link->out) <= link->pace.budget / 2))
        event_active(link->write_ev, EV_WRITE, 0);
}

struct wcur *link_room(struct link *link, size_t need)
{
    if (evbuffer_reserve_space(link->out, (ev_ssize_t)need, &link->room, 1) < 1) {
        errno = ENOMEM;
        return NULL;
    }
    uint8_t *p = link->room.iov_base;
    link->cur = (struct wcur){.p = p, .end = p + link->room.iov_len};
    return &link->cur;
}

static void record(struct link *link, const void *buf, size_t len)
{
    if (link->tee_fd < 0)
        return;
    ssize_t n = write(link->tee_fd, buf, len);
    if (n != (ssize_t)len) {
        log_warn("recording of the stream ends here");
        close(link->tee_fd);
        link->tee_fd = -1;
    }
}

void link_commit(struct link *link)
{
    link->room.iov_len = (size_t)(link->cur.p - (uint8_t *)link->room.iov_base);
    record(link, link->room.iov_base, link->room.iov_len);
    evbuffer_commit_space(link->out, &link->room, 1);
    link_pace_queued(&link->pace, mono_now(), evbuffer_get_length(link->out));
    if (link_full(link))
        link->was_full = true;
    if (!link->over && evbuffer_get_length(link->out) > 0)
        event_add(link->write_ev, NULL);
}

bool link_full(const struct link *link)
{
    return evbuffer_get_length(link->out) > link->pace.budget;
}

size_t link_budget(const struct link *link)
{
    return link->pace.budget;
}

size_t link_queued(const struct link *link)
{
    return evbuffer_get_length(link->out);
}
