/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/ctl_impl.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"

/* A follower of events that leaves this much unread is dropped. */
#define BEHIND_MAX (CTL_REPLY_MAX / 4)

struct ctl_conn *ctl_hold(struct ctl_conn *conn)
{
    conn->holds++;
    return conn;
}

void ctl_on_gone(struct ctl_conn *conn, ctl_gone_cb on_gone, void *arg)
{
    conn->on_gone = on_gone;
    conn->gone_arg = arg;
}

/* The line with its end; NULL when there is none or it is too long. */
static char *render(const json_t *object, size_t *len)
{
    char *text = json_dumps(object, JSON_COMPACT);

    *len = text ? strlen(text) : 0;
    if (!text || *len >= CTL_REPLY_MAX) {
        free(text);
        return NULL;
    }
    text[(*len)++] = '\n'; /* in the place of the NUL */
    return text;
}

void ctl_reply(struct ctl_conn *conn, json_t *reply)
{
    static const char excuse[] =
        "{\"ok\":false,\"code\":\"failed\",\"error\":\"the reply is too long\",\"hint\":\"\"}\n";
    size_t len;

    if (conn->holds)
        conn->holds--;
    conn->on_gone = NULL;
    if (conn->stream) {
        char *text = render(reply, &len);
        if (text)
            bufferevent_write(conn->stream, text, len);
        else
            bufferevent_write(conn->stream, excuse, sizeof(excuse) - 1);
        free(text);
        if (conn->pending)
            ctl_conn_rest(conn);
        if (conn->streaming)
            evtimer_del(conn->idle);
        /* the next request may have arrived while this one was at work */
        bufferevent_trigger(conn->stream, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
    }
    json_decref(reply);
    ctl_conn_unref(conn);
}

void ctl_reply_ok(struct ctl_conn *conn)
{
    ctl_reply(conn, json_pack("{s:b}", "ok", 1));
}

void ctl_reply_err(struct ctl_conn *conn, const char *code, const struct err *err)
{
    ctl_reply(conn, json_pack("{s:b, s:s, s:s, s:s}", "ok", 0, "code", code, "error", err->text,
                              "hint", err->hint));
}

void ctl_stream(struct ctl_conn *conn)
{
    conn->streaming = true;
    if (conn->stream)
        evtimer_del(conn->idle);
}

void ctl_broadcast(struct ctl_server *server, const json_t *line)
{
    struct ctl_conn *next;
    size_t len;

    char *text = render(line, &len);
    for (struct ctl_conn *conn = TAILQ_FIRST(&server->conns); text && conn; conn = next) {
        next = TAILQ_NEXT(conn, link);
        if (!conn->streaming)
            continue;
        if (evbuffer_get_length(bufferevent_get_output(conn->stream)) + len > BEHIND_MAX) {
            log_warnx("a follower of events does not read: dropped");
            ctl_conn_close(conn);
            continue;
        }
        bufferevent_write(conn->stream, text, len);
    }
    free(text);
}
