/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/link/link.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/util.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/fault.h"
#include "engine/base/log.h"

/* Two largest records: a whole one always fits behind the rest of the one before. */
#define IN_RECORDS 2
/* Reads per turn of the loop, so that timers are never starved by a fast peer. */
#define READS_PER_TURN 4

struct link {
    struct event *read_ev, *write_ev;
    int fd, tee_fd;
    struct session session;
    const struct link_ops *ops;
    void *arg;
    uint8_t *in;
    size_t in_start, in_end, in_cap;
    struct evbuffer *out;
    struct evbuffer_iovec room;
    struct wcur cur;
    size_t limit;
    uint64_t sent, received;
    bool was_full, over, busy, dropped;
    char peer[128];
};

static void end(struct link *link, enum link_end why, const char *text)
{
    if (link->over)
        return;
    link->over = true;
    event_del(link->read_ev);
    event_del(link->write_ev);
    link->ops->on_end(link, why, text, link->arg);
}

static void end_errno(struct link *link, const char *what)
{
    char text[160];
    snprintf(text, sizeof(text), "%s: %s", what, strerror(errno));
    end(link, LINK_ERROR, text);
}

/* ---- outgoing ---- */

static int write_some(struct link *link)
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
    }
    return 0;
}

static void note_room(struct link *link)
{
    if (!link->was_full || evbuffer_get_length(link->out) > link->limit / 2)
        return;
    link->was_full = false;
    if (link->ops->on_room)
        link->ops->on_room(link, link->arg);
}

static void leave(struct link *link)
{
    link->busy = false;
    if (link->dropped)
        link_free(link, false);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct link *link = arg;
    (void)fd;
    (void)what;

    link->busy = true;
    if (write_some(link) < 0) {
        end_errno(link, "write");
    } else {
        if (evbuffer_get_length(link->out) > 0)
            event_add(link->write_ev, NULL);
        note_room(link);
    }
    leave(link);
}

void link_flush(struct link *link)
{
    if (link->over)
        return;
    /* A failure here is reported by the event, not from inside the caller's own call. */
    if (write_some(link) < 0 || evbuffer_get_length(link->out) > 0)
        event_add(link->write_ev, NULL);
    if (link->was_full && evbuffer_get_length(link->out) <= link->limit / 2)
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
    if (link_full(link))
        link->was_full = true;
    if (!link->over && evbuffer_get_length(link->out) > 0)
        event_add(link->write_ev, NULL);
}

bool link_full(const struct link *link)
{
    return evbuffer_get_length(link->out) > link->limit;
}

size_t link_queued(const struct link *link)
{
    return evbuffer_get_length(link->out);
}

/* ---- incoming ---- */

static void refuse(struct link *link)
{
    struct session *s = &link->session;
    struct msg_reject m = {.code = s->error_code ? s->error_code : WIRE_REJECT_PROTOCOL,
                           .generation = s->generation};
    snprintf(m.text, sizeof(m.text), "%s", s->error);

    char text[WIRE_TEXT_MAX + 32];
    snprintf(text, sizeof(text), "protocol error: %s", s->error);
    struct wcur *w = link_room(link, session_record_max());
    if (w) {
        if (!session_put_reject(s, w, &m))
            log_warnx("REJECT could not be built");
        link_commit(link);
        (void)write_some(link);
    }
    end(link, LINK_PROTOCOL, text);
}

/** Hands out every whole record that is buffered. false: the link is over or was freed. */
static bool parse(struct link *link)
{
    while (!link->over && !link->dropped) {
        struct session_event ev;
        size_t used = 0, need = 0;
        int r = session_recv(&link->session, link->in + link->in_start,
                             link->in_end - link->in_start, &ev, &used, &need);
        if (r < 0) {
            refuse(link);
            return false;
        }
        if (r == 0 && used == 0)
            break;
        link->in_start += used;
        if (r > 0)
            link->ops->on_record(link, &ev, link->arg);
    }
    if (link->in_start == link->in_end)
        link->in_start = link->in_end = 0;
    return !link->over && !link->dropped;
}

static void make_space(struct link *link)
{
    if (link->in_cap - link->in_end >= link->in_cap / IN_RECORDS)
        return;
    memmove(link->in, link->in + link->in_start, link->in_end - link->in_start);
    link->in_end -= link->in_start;
    link->in_start = 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct link *link = arg;
    (void)what;

    link->busy = true;
    for (int turn = 0; turn < READS_PER_TURN; turn++) {
        make_space(link);
        size_t room = link->in_cap - link->in_end;
        ssize_t n = read(fd, link->in + link->in_end, room);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n < 0) {
            end_errno(link, "read");
            break;
        }
        if (n == 0) {
            end(link, LINK_EOF, "connection closed by the peer");
            break;
        }
        link->received += (uint64_t)n;
        link->in_end += (size_t)n;
        if (!parse(link) || (size_t)n < room)
            break;
    }
    leave(link);
}

/* ---- life ---- */

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
    *link = (struct link){.fd = fd, .tee_fd = -1, .ops = ops, .arg = arg, .limit = limit};
    session_init(&link->session, role, generation);
    link->in_cap = session_record_max() * IN_RECORDS;
    link->in = malloc(link->in_cap);
    link->out = evbuffer_new();
    link->read_ev = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, link);
    link->write_ev = event_new(base, fd, EV_WRITE, on_writable, link);
    if (!link->in || !link->out || !link->read_ev || !link->write_ev ||
        evutil_make_socket_nonblocking(fd) < 0 || event_add(link->read_ev, NULL) < 0) {
        link->fd = -1;
        link_free(link, false);
        errno = ENOMEM;
        return NULL;
    }
    int one = 1;
    /* Not a TCP socket in some tests: harmless. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    name_peer(link);
    return link;
}

/** A close with unread input resets the connection, and the peer may then never see our last
 * record. */
static void part(struct link *link)
{
    uint8_t rest[4096];

    (void)write_some(link);
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
