/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simclient.h"

#include <signal.h>

#include "engine/base/log.h"
#include "tools/sim/simclient_station.h"

#define TICK_MS 1
#define LIVE_MS 1000

void client_stop(struct client *c, struct mono now)
{
    if (c->stopping)
        return;
    c->stopping = true;
    if (c->ready)
        c->conf->mode->stop(c->mode, now);
    else
        event_base_loopbreak(c->base);
}

static void on_ready(void *arg)
{
    struct client *c = arg;

    c->ready = true;
    c->started = mono_now();
    c->conf->mode->ready(c->mode, c->started);
}

static void on_got(enum wire_kind kind, const struct wire_got *got, void *arg)
{
    struct client *c = arg;

    if (c->ready)
        c->conf->mode->got(c->mode, kind, got, mono_now());
}

static void on_lost(void *arg)
{
    struct client *c = arg;

    c->lost = true;
    event_base_loopbreak(c->base);
}

static bool time_is_up(const struct client *c, struct mono now)
{
    const struct client_conf *conf = c->conf;
    int64_t run = mono_sub(now, c->started);

    if (!c->ready) /* nobody has told us the guest's MAC yet */
        return run >= conf->timeout_ms * NS_PER_MS;
    return conf->seconds && run >= conf->seconds * NS_PER_S;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;
    struct mono now = mono_now();
    (void)fd;
    (void)what;

    if (time_is_up(c, now))
        client_stop(c, now);
    if (!c->ready)
        return;
    c->conf->mode->tick(c->mode, now);
    if (c->conf->mode->done(c->mode))
        event_base_loopbreak(c->base);
}

static void on_live(evutil_socket_t fd, short what, void *arg)
{
    const struct client *c = arg;
    (void)fd;
    (void)what;

    if (c->ready)
        c->conf->mode->live(c->mode, stderr);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
    (void)sig;
    (void)what;
    client_stop(arg, mono_now());
}

static struct event *every(struct client *c, int64_t ms, event_callback_fn callback)
{
    struct timeval tv = mono_span_tv(ms * NS_PER_MS);
    struct event *ev = event_new(c->base, -1, EV_PERSIST, callback, c);

    if (ev && event_add(ev, &tv) == 0)
        return ev;
    if (ev)
        event_free(ev);
    return NULL;
}

static struct event *on(struct client *c, int sig)
{
    struct event *ev = evsignal_new(c->base, sig, on_signal, c);

    if (ev)
        event_add(ev, NULL);
    return ev;
}

static void loop(struct client *c)
{
    struct event *ev[] = {every(c, TICK_MS, on_tick),
                          c->conf->live ? every(c, LIVE_MS, on_live) : NULL, on(c, SIGTERM),
                          on(c, SIGINT)};

    if (ev[0]) /* without it nothing would ever end */
        event_base_dispatch(c->base);
    for (size_t i = 0; i < ARRAY_LEN(ev); i++)
        if (ev[i])
            event_free(ev[i]);
}

static json_t *run_in(struct client *c, enum client_status *status, struct err *err)
{
    static const struct station_events events = {on_ready, on_got, on_lost};
    const struct client_conf *conf = c->conf;
    json_t *report = NULL;

    c->mode = conf->mode->start(c);
    if (!c->mode) {
        err_errno(err, "", "cannot start '%s'", conf->mode->name);
        return NULL;
    }
    c->started = mono_now();
    c->station = station_new(c->base, conf->sw, &conf->path, conf->retry_ms, &events, c, err);
    if (!c->station)
        goto out;
    loop(c);
    report = conf->mode->report(c->mode, status);
    if (!report)
        err_set(err, "", "no memory for the summary");
    if (c->lost) {
        log_errx("the switch is gone, the run was cut short");
        if (*status != CLIENT_VIOLATION)
            *status = CLIENT_ERROR;
    }
out:
    conf->mode->free(c->mode);
    station_free(c->station);
    return report;
}

json_t *client_run(const struct client_conf *conf, enum client_status *status, struct err *err)
{
    struct client c = {.conf = conf, .base = event_base_new()};
    if (!c.base) {
        err_set(err, "", "cannot make an event loop");
        return NULL;
    }
    json_t *report = run_in(&c, status, err);
    event_base_free(c.base);
    return report;
}
