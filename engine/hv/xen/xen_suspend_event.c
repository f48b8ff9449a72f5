/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <poll.h>

#include "engine/base/log.h"
#include "engine/hv/xen/xen_vm.h"

/* Events per second that mean nothing, beyond which the channel is not listened to. */
#define IDLE_EVENTS_MAX 100
/* What is there before a request: Xen's own first event, and what the guest answered too late. */
#define STALE_MAX 4

bool xen_suspend_event(struct xen_suspend *s, int ms)
{
    struct pollfd ready = {.fd = xenevtchn_fd(s->xce), .events = POLLIN};

    xenevtchn_port_or_error_t port;

    while (poll(&ready, 1, ms) == 1 && (port = xenevtchn_pending(s->xce)) >= 0) {
        if (port != s->port) /* it was closed meanwhile */
            continue;
        s->masked = true;
        if (!s->fresh)
            return true;
        s->fresh = false;
        xen_suspend_listen(s);
    }
    return false;
}

void xen_suspend_forget_events(struct xen_suspend *s)
{
    xen_suspend_listen(s);
    for (int n = 0; n < STALE_MAX && xen_suspend_event(s, 0); n++)
        xen_suspend_listen(s);
}

/* A driver that says so has refused, after the stop in which it was asked was given up on. */
static void refused_late(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;

    if (!s->late || !s->now.driver || !s->refuses || xen_suspend_look(v) != XEN_NOT_YET)
        return;
    s->late = false;
    s->refused = true;
}

void xen_suspend_after_all(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;

    /* Another tool may have asked the kernel. */
    if (!s->refused || mono_before(mono_now(), s->kernel_until))
        return;
    s->refused = s->refuses = false;
    if (!s->contradiction_told)
        log_warnx("the driver in domain %u suspended it after an event that says that it does not: "
                  "its events are not looked at any more",
                  v->domid);
    s->contradiction_told = true;
}

void xen_suspend_listen(struct xen_suspend *s)
{
    if (s->masked)
        xenevtchn_unmask(s->xce, (evtchn_port_t)s->port);
    s->masked = false;
}

void xen_suspend_idle_event(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;
    struct mono now = mono_now();

    if (mono_sub(now, s->idle_since) >= NS_PER_S) {
        s->idle_since = now;
        s->idle_events = 0;
    }
    if (xen_suspend_event(s, 0)) {
        s->idle_events++;
        refused_late(v);
    }
    if (s->idle_events == IDLE_EVENTS_MAX && !s->storm_told) {
        s->storm_told = true;
        log_warnx("domain %u raises events on its suspend channel without end: most are ignored",
                  v->domid);
    }
    if (s->idle_events < IDLE_EVENTS_MAX)
        xen_suspend_listen(s);
}
