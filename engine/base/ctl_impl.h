/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_CTL_IMPL_H
#define REMUS_CTL_IMPL_H

#include <event2/bufferevent.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "engine/base/accept_pause.h"
#include "engine/base/ctl.h"

/*
 * Shared by ctl_server.c (the socket), ctl_conn.c (requests of one connection) and ctl_reply.c
 * (what goes back); nobody else includes it.
 */

struct ctl_conn {
    TAILQ_ENTRY(ctl_conn) link;
    struct ctl_server *server;  /* NULL once closed: what remains waits for ctl_reply */
    struct bufferevent *stream; /* NULL once closed */
    struct event *idle;
    unsigned holds;
    ctl_gone_cb on_gone; /* NULL: nobody wants to know */
    void *gone_arg;
    bool pending;    /* a request is at work: the next one waits */
    bool in_handler; /* on the stack: the memory must stay */
    bool streaming;  /* gets broadcasts */
    bool finishing;  /* no more input: close once all is answered and written */
};

TAILQ_HEAD(ctl_conns, ctl_conn);

struct ctl_server {
    struct event_base *base;
    struct evconnlistener *listener;
    struct accept_pause pause;
    char *path;
    ctl_request_cb on_request;
    void *arg;
    struct ctl_conns conns;
    unsigned count;
};

/* Takes over `fd`, also on failure. */
void ctl_conn_new(struct ctl_server *server, evutil_socket_t fd);

/* No request is at work: the time until the connection counts as forgotten begins. */
void ctl_conn_rest(struct ctl_conn *conn);

/* Frees what nobody needs any more: closed, not held and not on the stack. */
void ctl_conn_unref(struct ctl_conn *conn);

/* Sends what can be sent without waiting, then closes. */
void ctl_conn_close(struct ctl_conn *conn);

#endif
