/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backupd/backupd.h"
#include "engine/base/accept_pause.h"
#include "engine/base/fault.h"
#include "engine/base/log.h"
#include "proto/session.h"

/* Up to HELLO's UUID: docs/protocol.md. */
#define UUID_AT     (WIRE_HEADER_LEN + 8)
#define PEEK_LEN    (UUID_AT + 16)
#define PENDING_MAX 64
#define PENDING_S   5

struct pending {
    LIST_ENTRY(pending) link;
    struct listener *listener;
    struct event *ev;
    int fd;
};

struct listener {
    struct event_base *base;
    struct evconnlistener *lev;
    struct accept_pause pause;
    LIST_HEAD(, pending) pending;
    size_t count;
    listener_cb on_session;
    void *arg;
    char address[128];
};

static void drop(struct pending *p, bool close_fd)
{
    LIST_REMOVE(p, link);
    p->listener->count--;
    event_free(p->ev);
    if (close_fd)
        close(p->fd);
    free(p);
}

void listener_reject(int fd, uint16_t code, const char *text)
{
    uint8_t buf[1024];
    struct wcur w = {buf, buf + sizeof(buf), false};
    struct session s;
    struct msg_reject m = {.code = code};

    snprintf(m.text, sizeof(m.text), "%s", text);
    session_init(&s, SESSION_BACKUP, 0);
    /* A few hundred octets into an empty socket buffer: no need to wait for room. */
    if (session_put_reject(&s, &w, &m) && write(fd, buf, (size_t)(w.p - buf)) < 0)
        log_debug("REJECT not sent");
    shutdown(fd, SHUT_WR);
    /* Unread input would turn the close into a reset; a flood of it is not worth the wait. */
    for (int i = 0; i < 128 && read(fd, buf, sizeof(buf)) > 0; i++)
        ;
    close(fd);
}

static bool looks_like_hello(const uint8_t *b)
{
    struct rcur r = {b, b + PEEK_LEN, false};
    return rcur_u32(&r) == WIRE_MAGIC && rcur_u16(&r) == WIRE_HELLO;
}

static void on_peek(evutil_socket_t fd, short what, void *arg)
{
    struct pending *p = arg;
    struct listener *l = p->listener;
    uint8_t b[PEEK_LEN];
    struct uuid uuid;

    ssize_t n = what & EV_READ ? recv(fd, b, sizeof(b), MSG_PEEK) : 0;
    if (n < (ssize_t)sizeof(b) || !looks_like_hello(b)) {
        log_warnx("a connection without a HELLO is closed");
        drop(p, true);
        return;
    }
    int low = 1; /* a HANDOVER alone must wake its reader */
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low));
    memcpy(uuid.byte, b + UUID_AT, sizeof(uuid.byte));
    drop(p, false);
    l->on_session(fd, &uuid, l->arg);
}

static void on_accept(struct evconnlistener *lev, evutil_socket_t fd, struct sockaddr *sa, int len,
                      void *arg)
{
    struct listener *l = arg;
    int low = PEEK_LEN;
    struct timeval tv = {.tv_sec = PENDING_S};
    (void)lev;
    (void)sa;
    (void)len;

    accept_pause_over(&l->pause);
    struct pending *p =
        FAULT(parent_accept) || l->count >= PENDING_MAX ? NULL : calloc(1, sizeof(*p));
    if (!p) {
        log_warnx("connection dropped: too many at once, or no memory");
        close(fd);
        return;
    }
    /* Readable only when enough is there to tell the VM; the end of the connection counts too. */
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low));
    p->listener = l;
    p->fd = fd;
    LIST_INSERT_HEAD(&l->pending, p, link);
    l->count++;
    p->ev = event_new(l->base, fd, EV_READ, on_peek, p);
    if (!p->ev || event_add(p->ev, &tv) < 0)
        drop(p, true);
}

static void on_accept_error(struct evconnlistener *lev, void *arg)
{
    struct listener *l = arg;
    (void)lev;
    accept_pause_begin(&l->pause);
}

/** "HOST:PORT", "[V6]:PORT". */
static int parse(const char *listen, struct sockaddr_storage *ret, socklen_t *ret_len,
                 struct err *err)
{
    char host[CONF_STR_MAX];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *ai;

    snprintf(host, sizeof(host), "%s", listen);
    char *colon = strrchr(host, ':');
    if (colon) {
        *colon = '\0';
        size_t len = strlen(host);
        bool brackets = len >= 2 && host[0] == '[' && host[len - 1] == ']';
        if (brackets)
            host[len - 1] = '\0';
        if (getaddrinfo(host + (brackets ? 1 : 0), colon + 1, &hints, &ai) == 0) {
            memcpy(ret, ai->ai_addr, ai->ai_addrlen);
            *ret_len = ai->ai_addrlen;
            freeaddrinfo(ai);
            return 0;
        }
    }
    return err_set(err, "use ADDRESS:PORT or [IPV6]:PORT", "bad listen address '%s'", listen);
}

static void name_address(struct listener *l)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    char host[64], port[16];

    if (getsockname(evconnlistener_get_fd(l->lev), (struct sockaddr *)&ss, &len) < 0 ||
        getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(l->address, sizeof(l->address), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

struct listener *listener_new(struct event_base *base, const char *listen, listener_cb on_session,
                              void *arg, struct err *err)
{
    struct sockaddr_storage ss;
    socklen_t len = 0;

    if (parse(listen, &ss, &len, err) < 0)
        return NULL;
    struct listener *l = calloc(1, sizeof(*l));
    if (!l) {
        (void)err_errno(err, "", "listener");
        return NULL;
    }
    *l = (struct listener){.base = base, .on_session = on_session, .arg = arg};
    LIST_INIT(&l->pending);
    l->lev = evconnlistener_new_bind(
        base, on_accept, l, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, -1,
        (struct sockaddr *)&ss, (int)len);
    if (!l->lev) {
        (void)err_errno(err, "is another backupd running? choose another port",
                        "cannot listen on %s", listen);
        free(l);
        return NULL;
    }
    if (accept_pause_init(&l->pause, base, l->lev, "backupd's port") < 0) {
        (void)err_errno(err, "", "listener");
        listener_free(l);
        return NULL;
    }
    evconnlistener_set_error_cb(l->lev, on_accept_error);
    name_address(l);
    return l;
}

const char *listener_address(const struct listener *l)
{
    return l->address;
}

void listener_free(struct listener *l)
{
    if (!l)
        return;
    while (!LIST_EMPTY(&l->pending))
        drop(LIST_FIRST(&l->pending), true);
    accept_pause_free(&l->pause);
    evconnlistener_free(l->lev);
    free(l);
}
