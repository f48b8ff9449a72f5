/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <poll.h>

#include "engine/base/log.h"
#include "engine/hv/xen/xen_vm.h"

/* Events per second that mean nothing, beyond which the channel is not listened to. */
#define IDLE_EVENTS_MAX 100

bool xen_suspend_event(struct xen_suspend *s, int ms)
{
    struct pollfd ready = {.fd = xenevtchn_fd(s->xce), .events = POLLIN};

    if (poll(&ready, 1, ms) != 1 || xenevtchn_pending(s->xce) < 0)
        return false;
    s->masked = true;
    return true;
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
    if (xen_suspend_event(s, 0) && ++s->idle_events == IDLE_EVENTS_MAX && !s->storm_told) {
        s->storm_told = true;
        log_warnx("domain %u raises events on its suspend channel without end: most are ignored",
                  v->domid);
    }
    if (s->idle_events < IDLE_EVENTS_MAX)
        xen_suspend_listen(s);
}
