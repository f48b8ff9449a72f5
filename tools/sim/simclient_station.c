/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simclient_station.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mono.h"
#include "engine/net/port.h"

#define TURN 256 /* frames taken before timers get their turn */

struct station {
    struct port *port;
    struct event *read_ev, *ask_ev;
    struct wire_path path;
    const struct station_events *events;
    void *arg;
    bool known;
    uint64_t bad;
    uint8_t out[WIRE_FRAME_MAX];
    uint8_t in[PORT_FRAME_MAX];
};

static void emit(struct station *s, size_t len)
{
    /* A switch that is gone is noticed when it is read. */
    (void)!port_write(s->port, s->out, len);
}

static void ask(evutil_socket_t fd, short what, void *arg)
{
    struct station *s = arg;
    (void)fd;
    (void)what;

    emit(s, wire_ask(s->out, &s->path));
}

static void told(struct station *s, const struct wire_host *host)
{
    memcpy(s->path.them.mac, host->mac, sizeof(host->mac));
    if (s->known)
        return;
    s->known = true;
    event_del(s->ask_ev);
    s->events->ready(s->arg);
}

static void take(struct station *s, size_t len)
{
    struct wire_got got;
    enum wire_kind kind = wire_parse(&s->path, s->in, len, &got);

    switch (kind) {
    case WIRE_OTHER:
        break;
    case WIRE_BAD:
        s->bad++;
        break;
    case WIRE_ASKED:
        emit(s, wire_tell(s->out, &s->path, &got.host));
        break;
    case WIRE_TOLD:
        told(s, &got.host);
        break;
    case WIRE_UDP:
    case WIRE_REFLECTED:
        s->events->got(kind, &got, s->arg);
        break;
    }
}

static void on_frames(evutil_socket_t fd, short what, void *arg)
{
    struct station *s = arg;
    (void)fd;
    (void)what;

    for (int i = 0; i < TURN; i++) {
        ssize_t len = port_read(s->port, s->in, sizeof(s->in));
        if (len == 0)
            return;
        if (len < 0) {
            event_del(s->read_ev);
            s->events->lost(s->arg);
            return;
        }
        take(s, (size_t)len);
    }
}

static struct port *open_port(const char *switch_path, struct err *err)
{
    char spec[256];

    if (snprintf(spec, sizeof(spec), "switch:%s", switch_path) < (int)sizeof(spec))
        return port_open(spec, err);
    err_set(err, "give a shorter one", "switch path is too long");
    return NULL;
}

static int watch(struct station *s, struct event_base *base, int64_t ask_ms)
{
    struct timeval again = mono_span_tv(ask_ms * NS_PER_MS);

    s->read_ev = event_new(base, port_fd(s->port), EV_READ | EV_PERSIST, on_frames, s);
    s->ask_ev = event_new(base, -1, EV_PERSIST, ask, s);
    if (!s->read_ev || !s->ask_ev)
        return -1;
    return event_add(s->read_ev, NULL) < 0 ? -1 : event_add(s->ask_ev, &again);
}

struct station *station_new(struct event_base *base, const char *switch_path,
                            const struct wire_path *path, int64_t ask_ms,
                            const struct station_events *events, void *arg, struct err *err)
{
    struct station *s = calloc(1, sizeof(*s));
    if (!s) {
        err_errno(err, "", "cannot start a station");
        return NULL;
    }
    s->path = *path;
    s->events = events;
    s->arg = arg;
    s->port = open_port(switch_path, err);
    if (!s->port)
        goto fail;
    if (watch(s, base, ask_ms) < 0) {
        err_errno(err, "", "cannot watch the switch");
        goto fail;
    }
    ask(-1, 0, s);
    return s;
fail:
    station_free(s);
    return NULL;
}

void station_free(struct station *s)
{
    if (!s)
        return;
    if (s->read_ev)
        event_free(s->read_ev);
    if (s->ask_ev)
        event_free(s->ask_ev);
    port_close(s->port);
    free(s);
}

void station_udp(struct station *s, uint16_t sport, uint16_t dport, const void *payload, size_t len)
{
    emit(s, wire_udp(s->out, &s->path, sport, dport, payload, len));
}

void station_reflect(struct station *s, const void *payload, size_t len)
{
    emit(s, wire_reflect(s->out, &s->path, payload, len));
}

uint64_t station_bad(const struct station *s)
{
    return s->bad;
}
