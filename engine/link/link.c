/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/link/link_impl.h"

void link_over(struct link *link, enum link_end why, const char *text)
{
    if (link->over)
        return;
    link->over = true;
    event_del(link->read_ev);
    event_del(link->write_ev);
    link->ops->on_end(link, why, text, link->arg);
}

void link_over_errno(struct link *link, const char *what)
{
    char text[160];
    snprintf(text, sizeof(text), "%s: %s", what, strerror(errno));
    link_over(link, LINK_ERROR, text);
}

void link_leave(struct link *link)
{
    link->busy = false;
    if (link->dropped)
        link_free(link, false);
}

/* Not a TCP socket in some tests: harmless. */
static void set_tcp(const struct link *link, int option, int value)
{
    (void)setsockopt(link->fd, IPPROTO_TCP, option, &value, sizeof(value));
}

static void name_peer(struct link *link)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    char host[64], port[16];

    snprintf(link->peer, sizeof(link->peer), "?");
    if (getpeername(link->fd, (struct sockaddr *)&ss, &len) < 0)
        return;
    if (getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(link->peer, sizeof(link->peer), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

struct link *link_new(struct event_base *base, int fd, enum session_role role, uint64_t generation,
                      size_t limit, const struct link_ops *ops, void *arg)
{
    struct link *link = calloc(1, sizeof(*link));
    if (!link)
        return NULL;
    *link = (struct link){.fd = fd, .tee_fd = -1, .ops = ops, .arg = arg};
    session_init(&link->session, role, generation);
    link_pace_init(&link->pace, limit);
    link->in_cap = session_record_max() * LINK_IN_RECORDS;
    link->in = malloc(link->in_cap);
    link->out = evbuffer_new();
    link->read_ev = event_new(base, fd, EV_READ | EV_PERSIST, link_on_readable, link);
    link->write_ev = event_new(base, fd, EV_WRITE, link_on_writable, link);
    if (!link->in || !link->out || !link->read_ev || !link->write_ev ||
        evutil_make_socket_nonblocking(fd) < 0 || event_add(link->read_ev, NULL) < 0) {
        link->fd = -1;
        link_free(link, false);
        errno = ENOMEM;
        return NULL;
    }
    set_tcp(link, TCP_NODELAY, 1);
    name_peer(link);
    return link;
}

void link_watch_host(struct link *link, int64_t ms)
{
    int on = ms > 0;

    set_tcp(link, TCP_USER_TIMEOUT, (int)ms);
    set_tcp(link, TCP_KEEPIDLE, 1);
    set_tcp(link, TCP_KEEPINTVL, 1);
    (void)setsockopt(link->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/** A close with unread input resets the connection, and the peer may then never see our last
 * record. */
static void part(struct link *link)
{
    uint8_t rest[4096];

    /* The kernel takes what it has room for: nobody is there to come back. */
    set_tcp(link, TCP_NOTSENT_LOWAT, INT_MAX);
    (void)link_write_some(link);
    shutdown(link->fd, SHUT_WR);
    for (int i = 0; i < 256 && read(link->fd, rest, sizeof(rest)) > 0; i++)
        ;
}

bool link_has_input(const struct link *link)
{
    struct pollfd pfd = {.fd = link->fd, .events = POLLIN};
    return !link->over && poll(&pfd, 1, 0) > 0;
}

void link_free(struct link *link, bool flush)
{
    if (!link)
        return;
    if (flush && !link->dropped)
        part(link);
    if (link->busy) { /* called from a callback: the caller of the callback frees */
        link->dropped = true;
        link->over = true;
        return;
    }
    if (link->read_ev)
        event_free(link->read_ev);
    if (link->write_ev)
        event_free(link->write_ev);
    if (link->out)
        evbuffer_free(link->out);
    free(link->in);
    if (link->tee_fd >= 0)
        close(link->tee_fd);
    if (link->fd >= 0)
        close(link->fd);
    free(link);
}

struct session *link_session(struct link *link)
{
    return &link->session;
}

uint64_t link_bytes_sent(const struct link *link)
{
    return link->sent;
}

struct mono link_heard(const struct link *link)
{
    return link->heard;
}

uint64_t link_bytes_received(const struct link *link)
{
    return link->received;
}

int link_record(struct link *link, const char *path)
{
    link->tee_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return link->tee_fd < 0 ? -1 : 0;
}

const char *link_peer(const struct link *link)
{
    return link->peer;
}
