/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TEST_SUSPEND_CHANNEL_H
#define REMUS_TEST_SUSPEND_CHANNEL_H

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenguest.h>
#include <xenstore.h>

/* How a tool in dom0 talks to the suspend driver in a guest. All end the program on trouble. */

enum { LIMIT_MS = 20000, LOOK_MS = 100 };

struct channel {
    uint32_t domid;
    xc_interface *xch;
    xenevtchn_handle *xce;
    int guest_port, port, lock_fd;
    bool plain; /* how it is resumed */
};

/** Exit codes: 1 the guest did not do what it should, 2 any other trouble. */
__attribute__((noreturn, format(printf, 2, 3))) static inline void die(int code, const char *format,
                                                                       ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " (errno: %s)\n", strerror(errno));
    exit(code);
}

static inline int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static inline void channel_init(struct channel *c, const char *domid, bool plain)
{
    *c = (struct channel){.domid = (uint32_t)atoi(domid), .plain = plain, .lock_fd = -1};
    c->xch = xc_interface_open(NULL, NULL, 0);
    c->xce = xenevtchn_open(NULL, 0);
    if (!c->xch || !c->xce)
        die(2, "Xen");
}

static inline int published_port(uint32_t domid)
{
    struct xs_handle *xs = xs_open(0);
    char path[80];
    unsigned len;

    snprintf(path, sizeof(path), "/local/domain/%u/device/suspend/event-channel", domid);
    char *text = xs ? xs_read(xs, XBT_NULL, path, &len) : NULL;
    int port = text ? atoi(text) : 0;
    free(text);
    xs_close(xs);
    return port;
}

/** Nobody else who keeps to the rules has the channel until channel_disconnect(). */
static inline void channel_connect(struct channel *c)
{
    c->guest_port = published_port(c->domid);
    if (c->guest_port <= 0)
        die(1, "domain %u publishes no port", c->domid);
    c->port =
        xc_suspend_evtchn_init_exclusive(c->xch, c->xce, c->domid, c->guest_port, &c->lock_fd);
    if (c->port < 0)
        die(1, "port %d of domain %u cannot be had", c->guest_port, c->domid);
    xenevtchn_unmask(c->xce, (evtchn_port_t)c->port);
}

static inline void channel_disconnect(struct channel *c)
{
    xc_domain_subscribe_for_suspend(c->xch, c->domid, 0);
    xc_suspend_evtchn_release(c->xch, c->xce, c->domid, c->port, &c->lock_fd);
}

/** The guest has closed its end. */
static inline bool channel_hung_up(const struct channel *c)
{
    xc_evtchn_status_t s = {.dom = DOMID_SELF, .port = (uint32_t)c->port};

    return xc_evtchn_status(c->xch, &s) || s.status != EVTCHNSTAT_interdomain;
}

static inline bool is_suspended(const struct channel *c)
{
    xc_domaininfo_t info;

    if (xc_domain_getinfolist(c->xch, c->domid, 1, &info) != 1 || info.domain != c->domid)
        die(2, "domain %u is gone", c->domid);
    return info.flags & XEN_DOMINF_shutdown;
}

/** Waits for one event at most. */
static inline void take_events(struct channel *c, int ms)
{
    struct pollfd p = {.fd = xenevtchn_fd(c->xce), .events = POLLIN};

    if (poll(&p, 1, ms) != 1)
        return;
    int port = xenevtchn_pending(c->xce);
    if (port >= 0)
        xenevtchn_unmask(c->xce, (evtchn_port_t)port);
}

static inline void ask(const struct channel *c)
{
    if (xenevtchn_notify(c->xce, (evtchn_port_t)c->port))
        die(2, "notify");
}

/** False: time is up. */
static inline bool await(struct channel *c, int limit_ms)
{
    int64_t end = now_us() + limit_ms * INT64_C(1000);

    while (!is_suspended(c)) {
        if (now_us() > end)
            return false;
        take_events(c, LOOK_MS);
    }
    return true;
}

static inline void resume(const struct channel *c)
{
    if (xc_domain_resume(c->xch, c->domid, !c->plain))
        die(2, "resume");
}

/** What may yet be obeyed after disconnecting is undone; how often that was necessary. */
static inline long resume_late(struct channel *c)
{
    long count = 0;

    while (await(c, LOOK_MS)) {
        count++;
        resume(c);
    }
    return count;
}

#endif
