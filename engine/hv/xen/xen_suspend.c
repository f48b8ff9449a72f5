/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"
#include "engine/hv/xen/xen_vm.h"

/* The event may be lost to another subscriber of the channel: then this finds the state. */
#define LOOK_MS 50
/* Stops in a row that a driver may miss: more than a busy host makes it miss. */
#define SILENT_MAX 5
/* Longer than a Linux kernel tries to freeze user tasks (20 s) and then its own (20 s). */
#define KERNEL_TRIES_S 60
/* Events per second that mean nothing, beyond which the channel is not listened to. */
#define IDLE_EVENTS_MAX 100

/* ---- events ---- */

/* Takes the channel's event, if there is one; there is no other until `listen`. */
static bool take_event(struct xen_suspend *s)
{
    struct pollfd ready = {.fd = xenevtchn_fd(s->xce), .events = POLLIN};

    if (poll(&ready, 1, 0) != 1 || xenevtchn_pending(s->xce) < 0)
        return false;
    s->masked = true;
    return true;
}

static void listen_again(struct xen_suspend *s)
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
    if (take_event(s) && ++s->idle_events == IDLE_EVENTS_MAX && !s->storm_told) {
        s->storm_told = true;
        log_warnx("domain %u raises events on its suspend channel without end: most are ignored",
                  v->domid);
    }
    if (s->idle_events < IDLE_EVENTS_MAX)
        listen_again(s);
}

void xen_suspend_kernel_asked(struct xen_vm *v)
{
    v->suspend.kernel_until = mono_add(mono_now(), KERNEL_TRIES_S * NS_PER_S);
}

/* ---- stop ---- */

/* 1: suspended, 0: not (yet), -1: gone, errno=ESRCH. */
static int look(struct xen_vm *v)
{
    xc_domaininfo_t info;

    if (xen_dom_info(v->x, v->domid, &v->uuid, &info))
        return -1;
    if (!(info.flags & XEN_DOMINF_shutdown))
        return 0;
    if (!xen_dom_suspended(&info)) {
        errno = ESRCH;
        return -1;
    }
    v->last_pages = info.tot_pages;
    return 1;
}

/* As look, when it is so, or at `end`, or when the driver goes. */
static int await(struct xen_vm *v, struct mono end)
{
    struct pollfd event = {.fd = xenevtchn_fd(v->suspend.xce), .events = POLLIN};

    for (;;) {
        int64_t left = (mono_sub(end, mono_now()) + NS_PER_MS - 1) / NS_PER_MS;
        if (left > 0)
            poll(&event, 1, left < LOOK_MS ? (int)left : LOOK_MS);
        (void)!take_event(&v->suspend);
        int seen = look(v);
        if (seen || left <= 0 || xen_suspend_hung_up(v))
            return seen;
        listen_again(&v->suspend);
    }
}

static int ask(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;
    char path[XEN_PATH_MAX];

    listen_again(s);
    if (s->now.driver) {
        s->by_driver = true;
        return xenevtchn_notify(s->xce, (evtchn_port_t)s->port);
    }
    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", v->domid);
    return xen_xs_write(v->x, path, "suspend");
}

/* As await; what was asked before may be obeyed only now. */
static int request(struct xen_vm *v, struct mono end)
{
    if (v->suspend.late || ask(v) == 0)
        return await(v, end);
    errno = EIO;
    return -1;
}

/* True when the guest had not seen the request and will not see it any more. */
static bool take_back(struct xen_vm *v)
{
    struct xs_handle *xs = v->x->xs;
    char path[XEN_PATH_MAX];
    bool unseen = false;
    unsigned len;

    if (v->suspend.now.driver)
        return false;
    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", v->domid);
    for (;;) {
        xs_transaction_t t = xs_transaction_start(xs);
        if (t == XBT_NULL)
            return false;
        char *asked = xs_read(xs, t, path, &len);
        unseen = asked && strcmp(asked, "suspend") == 0 && xs_write(xs, t, path, "", 0);
        free(asked);
        if (xs_transaction_end(xs, t, !unseen))
            return unseen;
        if (errno != EAGAIN)
            return false;
    }
}

static void not_in_time(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;

    s->late = !take_back(v);
    if (s->now.driver && ++s->silent >= SILENT_MAX)
        xen_suspend_give_up(v);
}

int xen_stop(struct hv_vm *vm, int timeout_ms, struct err *err)
{
    struct xen_vm *v = xen_vm_of(vm);
    struct mono end = mono_add(mono_now(), timeout_ms * NS_PER_MS);

    int seen = request(v, end);
    if (seen == 0 && xen_suspend_hung_up(v)) { /* unloaded: the other way, in what is left */
        xen_suspend_review(v);
        seen = request(v, end);
    }
    if (seen < 0)
        return err_errno(err, "", "domain %u cannot be stopped", v->domid);
    if (seen > 0) {
        v->suspend.late = false;
        v->suspend.silent = 0;
        return 0;
    }
    not_in_time(v);
    errno = ETIMEDOUT;
    return err_set(err, "see the guest's console: a task may refuse to freeze",
                   "domain %u did not suspend within %d ms", v->domid, timeout_ms);
}

/* ---- resume ---- */

/*
 * Without changing a register only when the driver has stopped it: it looks for itself whether it
 * is in the same domain. The kernel's own way would take that for a restore, and break. By which of
 * the two a VM was stopped cannot be seen; so not when the kernel may have been asked, by whomever.
 */
static bool plain_is_right(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;

    if (!s->plain || !s->by_driver)
        return false;
    xen_watch_drain(v);
    return !mono_before(mono_now(), s->kernel_until);
}

int xen_resume(struct hv_vm *vm, struct err *err)
{
    struct xen_vm *v = xen_vm_of(vm);
    bool plain = plain_is_right(v);

    v->suspend.late = v->suspend.by_driver = false;
    int rc = xc_domain_resume(v->x->xch, v->domid, !plain);
    listen_again(&v->suspend);
    if (rc == 0)
        return 0;
    int seen = look(v);
    if (seen == 0)
        return 0; /* somebody else was faster */
    errno = seen < 0 ? ESRCH : EIO;
    return err_errno(err, "", "resume of domain %u", v->domid);
}
