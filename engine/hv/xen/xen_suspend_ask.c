/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hv/xen/xen_vm.h"

/* Longer than a Linux kernel tries to freeze user tasks (20 s) and then its own (20 s). */
#define KERNEL_TRIES_S 60
/* Others, the guest among them, may write into a transaction of ours. */
#define CONFLICTS_MAX 32

void xen_suspend_kernel_asked(struct xen_vm *v)
{
    v->suspend.kernel_until = mono_add(mono_now(), KERNEL_TRIES_S * NS_PER_S);
}

/* What anybody asked of the guest's kernel and it has not taken yet stands in one node. Writes `to`
 * there if `from` is there. 1: so it was; 0: it was something else, or changes all the time. */
static int change_request(struct xen_vm *v, const char *from, const char *to)
{
    struct xs_handle *xs = v->x->xs;
    char path[XEN_PATH_MAX];
    unsigned len;

    xen_shutdown_path(v, path);
    for (int tries = 0; tries < CONFLICTS_MAX; tries++) {
        xs_transaction_t t = xs_transaction_start(xs);
        if (t == XBT_NULL)
            return -1;
        char *asked = xs_read(xs, t, path, &len);
        bool same = strcmp(asked ? asked : "", from) == 0;
        bool written = same && xs_write(xs, t, path, to, (unsigned)strlen(to));
        free(asked);
        if (xs_transaction_end(xs, t, !written))
            return !same ? 0 : written ? 1 : -1;
        if (errno != EAGAIN)
            return -1;
    }
    return 0;
}

int xen_suspend_ask(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;
    int asked = 1;

    xen_suspend_forget_events(s); /* what comes from now on is an answer */
    if (!s->now.driver) {
        asked = change_request(v, "", "suspend");
        if (asked == 0) /* left by an agent that was killed: the kernel looks at what is new */
            asked = change_request(v, "suspend", "suspend");
    } else if (xenevtchn_notify(s->xce, (evtchn_port_t)s->port))
        asked = -1;
    if (asked <= 0)
        return asked;
    s->late_until = mono_add(mono_now(), KERNEL_TRIES_S * NS_PER_S);
    s->late = true;
    s->refused = false;
    s->by_driver = s->now.driver;
    if (s->by_driver)
        xen_suspend_driver_asked(v);
    return 1;
}

bool xen_suspend_late(const struct xen_vm *v)
{
    return v->suspend.late && mono_before(mono_now(), v->suspend.late_until);
}

bool xen_suspend_asked(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;

    if (!s->late || xen_suspend_late(v))
        return s->late;
    s->late = false;
    if (s->changed)
        xen_suspend_review(v);
    return false;
}

bool xen_suspend_take_back(struct xen_vm *v)
{
    return !v->suspend.by_driver && change_request(v, "suspend", "") == 1;
}
