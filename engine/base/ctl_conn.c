/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/ctl_impl.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/ctl_parse.h"
#include "engine/base/log.h"

/* A peer that leaves this much of its replies unread gets no further request served. */
#define UNREAD_MAX CTL_LINE_MAX

/* Enough to see that a line is too long. */
#define INPUT_MAX (CTL_LINE_MAX + 1)

void ctl_conn_unref(struct ctl_conn *conn)
{
    if (!conn->stream && !conn->in_handler && conn->holds == 0)
        free(conn);
}

void ctl_conn_close(struct ctl_conn *conn)
{
    struct evbuffer *out = bufferevent_get_output(conn->stream);

    bufferevent_disable(conn->stream, EV_READ | EV_WRITE);
    evbuffer_unfreeze(out, 1);
    if (evbuffer_get_length(out))
        evbuffer_write(out, bufferevent_getfd(conn->stream));
    TAILQ_REMOVE(&conn->server->conns, conn, link);
    conn->server->count--;
    conn->server = NULL;
    event_free(conn->idle);
    bufferevent_free(conn->stream);
    conn->stream = NULL;
    if (conn->on_gone)
        conn->on_gone(conn->gone_arg);
    ctl_conn_unref(conn);
}

void ctl_conn_rest(struct ctl_conn *conn)
{
    conn->pending = false;
    evtimer_add(conn->idle, &(struct timeval){.tv_sec = CTL_IDLE_S});
}

static void handle(struct ctl_conn *conn, json_t *request)
{
    struct err err;

    conn->pending = true;
    conn->in_handler = true;
    evtimer_del(conn->idle);
    conn->server->on_request(conn, request, conn->server->arg);
    conn->in_handler = false;
    if (conn->stream && conn->pending && conn->holds == 0 && !conn->streaming) {
        err_set(&err, NULL, "the daemon has no answer to this request");
        ctl_reply_err(conn, "failed", &err);
    }
}

static bool reads_its_replies(struct ctl_conn *conn)
{
    return evbuffer_get_length(bufferevent_get_output(conn->stream)) <= UNREAD_MAX;
}

/* libevent would call us over and over while the input is full and nobody takes from it. */
static void read_if_room(struct ctl_conn *conn)
{
    if (!conn->finishing && evbuffer_get_length(bufferevent_get_input(conn->stream)) < INPUT_MAX)
        bufferevent_enable(conn->stream, EV_READ);
    else
        bufferevent_disable(conn->stream, EV_READ);
}

/* Works off whole lines until one has to wait for its reply. False: the connection is closed. */
static bool serve(struct ctl_conn *conn)
{
    while (conn->stream && !conn->pending && !conn->streaming && reads_its_replies(conn)) {
        struct evbuffer *in = bufferevent_get_input(conn->stream);
        json_t *request;
        struct err err;
        size_t used;

        enum ctl_parsed parsed = ctl_parse((const char *)evbuffer_pullup(in, -1),
                                           evbuffer_get_length(in), &used, &request, &err);
        evbuffer_drain(in, used);
        if (parsed == CTL_PARSED_MORE)
            break;
        if (parsed == CTL_PARSED_REQUEST) {
            handle(conn, request);
            json_decref(request);
            continue;
        }
        ctl_reply_err(conn, "bad-request", &err);
        if (parsed == CTL_PARSED_TOO_LONG)
            conn->finishing = true;
    }
    if (!conn->stream) {
        ctl_conn_unref(conn);
        return false;
    }
    if (conn->streaming)
        evbuffer_drain(bufferevent_get_input(conn->stream), INPUT_MAX);
    read_if_room(conn);
    return true;
}

static void on_readable(struct bufferevent *stream, void *arg)
{
    (void)stream;
    serve(arg);
}

static void close_if_finished(struct ctl_conn *conn)
{
    if (conn->finishing && !conn->pending &&
        evbuffer_get_length(bufferevent_get_output(conn->stream)) == 0)
        ctl_conn_close(conn);
}

static void on_written(struct bufferevent *stream, void *arg)
{
    struct ctl_conn *conn = arg;

    (void)stream;
    if (serve(conn))
        close_if_finished(conn);
}

/* Both directions, unlike a peer that only has no more to ask. */
static bool peer_is_gone(struct ctl_conn *conn)
{
    struct pollfd p = {.fd = bufferevent_getfd(conn->stream), .events = POLLOUT};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    struct ctl_conn *conn = arg;

    (void)stream;
    if ((what & BEV_EVENT_ERROR) || conn->streaming || peer_is_gone(conn)) {
        ctl_conn_close(conn);
        return;
    }
    conn->finishing = true;
    close_if_finished(conn);
}

static void on_idle(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ctl_conn_close(arg);
}

void ctl_conn_new(struct ctl_server *server, evutil_socket_t fd)
{
    struct ctl_conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        goto fail;
    conn->idle = evtimer_new(server->base, on_idle, conn);
    conn->stream = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn->idle || !conn->stream)
        goto fail;
    conn->server = server;
    TAILQ_INSERT_TAIL(&server->conns, conn, link);
    server->count++;
    bufferevent_setcb(conn->stream, on_readable, on_written, on_event, conn);
    bufferevent_setwatermark(conn->stream, EV_READ, 0, INPUT_MAX);
    bufferevent_enable(conn->stream, EV_READ | EV_WRITE);
    ctl_conn_rest(conn);
    return;
fail:
    log_warnx("control connection refused: no memory");
    if (conn && conn->stream)
        bufferevent_free(conn->stream);
    else
        evutil_closesocket(fd);
    if (conn && conn->idle)
        event_free(conn->idle);
    free(conn);
}
