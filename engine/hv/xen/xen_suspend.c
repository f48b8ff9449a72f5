/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mono.h"
#include "engine/hv/xen/xen_vm.h"

/* The event may be lost to another subscriber of the channel: then this finds the state. */
#define LOOK_MS 50

/* The guest's own port: published by its driver, or made here once and found again later. */
static int guest_port(struct xen_vm *v)
{
    const struct xen_hv *x = v->x;
    char path[XEN_PATH_MAX], text[16];
    char *port = xen_xs_read(x, "/local/domain/%u/device/suspend/event-channel", v->domid);

    v->suspend.driver = port && atoi(port) > 0;
    if (!v->suspend.driver) {
        free(port);
        port = xen_xs_read(x, "/libxl/%u/remus/suspend-port", v->domid);
    }
    int n = port ? atoi(port) : 0;
    free(port);
    if (n > 0)
        return n;
    n = xc_evtchn_alloc_unbound(x->xch, v->domid, 0);
    if (n < 0)
        return -1;
    snprintf(path, sizeof(path), "/libxl/%u/remus/suspend-port", v->domid);
    snprintf(text, sizeof(text), "%d", n);
    return xen_xs_write(x, path, text) ? -1 : n;
}

int xen_suspend_open(struct xen_vm *v, struct err *err)
{
    struct xen_suspend *s = &v->suspend;

    s->port = s->lock_fd = -1;
    s->xce = xenevtchn_open(v->x->log, 0);
    if (!s->xce)
        return err_errno(err, "load the kernel module xen-evtchn", "event channels");
    int port = guest_port(v);
    if (port < 0)
        return err_errno(err, "", "event channel of domain %u", v->domid);
    s->port = xc_suspend_evtchn_init_exclusive(v->x->xch, s->xce, v->domid, port, &s->lock_fd);
    if (s->port < 0) {
        errno = EBUSY;
        return err_set(err, "wait until it is done, or end it",
                       "the suspend channel of domain %u cannot be had: it is being saved or "
                       "migrated",
                       v->domid);
    }
    xenevtchn_unmask(s->xce, (evtchn_port_t)s->port);
    char *plain = xen_xs_read(v->x, "/local/domain/%u/device/suspend/resume-plain", v->domid);
    s->plain = s->driver && plain && strcmp(plain, "1") == 0;
    free(plain);
    return 0;
}

void xen_suspend_close(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;

    if (s->port >= 0) {
        /* Later events go the usual way again, or Xen's tools would wait for them in vain. */
        xc_domain_subscribe_for_suspend(v->x->xch, v->domid, 0);
        xc_suspend_evtchn_release(v->x->xch, s->xce, v->domid, s->port, &s->lock_fd);
    }
    if (s->xce)
        xenevtchn_close(s->xce);
}

void xen_suspend_drain(struct xen_vm *v)
{
    xenevtchn_handle *xce = v->suspend.xce;
    struct pollfd ready = {.fd = xenevtchn_fd(xce), .events = POLLIN};

    while (poll(&ready, 1, 0) == 1) {
        int port = xenevtchn_pending(xce);
        if (port < 0)
            return;
        xenevtchn_unmask(xce, (evtchn_port_t)port);
    }
}

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
    return 1;
}

/* As look, after `ms` at the latest. */
static int await(struct xen_vm *v, int ms)
{
    struct mono end = mono_add(mono_now(), ms * NS_PER_MS);
    struct pollfd event = {.fd = xenevtchn_fd(v->suspend.xce), .events = POLLIN};

    for (;;) {
        int seen = look(v);
        int64_t left = (mono_sub(end, mono_now()) + NS_PER_MS - 1) / NS_PER_MS;
        if (seen || left <= 0)
            return seen;
        poll(&event, 1, left < LOOK_MS ? (int)left : LOOK_MS);
        xen_suspend_drain(v);
    }
}

static int ask(struct xen_vm *v)
{
    char path[XEN_PATH_MAX];

    if (v->suspend.driver)
        return xenevtchn_notify(v->suspend.xce, (evtchn_port_t)v->suspend.port);
    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", v->domid);
    return xen_xs_write(v->x, path, "suspend");
}

/* True when the guest had not seen the request and will not see it any more. */
static bool take_back(struct xen_vm *v)
{
    struct xs_handle *xs = v->x->xs;
    char path[XEN_PATH_MAX];
    bool unseen = false;
    unsigned len;

    if (v->suspend.driver)
        return false;
    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", v->domid);
    for (;;) {
        xs_transaction_t t = xs_transaction_start(xs);
        if (t == XBT_NULL)
            return false;
        char *request = xs_read(xs, t, path, &len);
        unseen = request && strcmp(request, "suspend") == 0 && xs_write(xs, t, path, "", 0);
        free(request);
        if (xs_transaction_end(xs, t, !unseen))
            return unseen;
        if (errno != EAGAIN)
            return false;
    }
}

int xen_stop(struct hv_vm *vm, int timeout_ms, struct err *err)
{
    struct xen_vm *v = xen_vm_of(vm);
    struct xen_suspend *s = &v->suspend;

    /* An earlier request may be obeyed only now, or a predecessor's. */
    int seen = look(v);
    if (seen == 0 && !s->late && ask(v))
        return err_errno(err, "", "domain %u cannot be asked to suspend", v->domid);
    if (seen == 0)
        seen = await(v, timeout_ms);
    s->late = seen == 0 && !take_back(v);
    if (seen > 0)
        return 0;
    if (seen < 0)
        return err_errno(err, "", "domain %u", v->domid);
    errno = ETIMEDOUT;
    return err_set(err, "see the guest's console: a task may refuse to freeze",
                   "domain %u did not suspend within %d ms", v->domid, timeout_ms);
}

int xen_resume(struct hv_vm *vm, struct err *err)
{
    struct xen_vm *v = xen_vm_of(vm);

    v->suspend.late = false;
    if (xc_domain_resume(v->x->xch, v->domid, !v->suspend.plain) == 0)
        return 0;
    int seen = look(v);
    if (seen == 0)
        return 0; /* somebody else was faster */
    errno = seen < 0 ? ESRCH : EIO;
    return err_errno(err, "", "resume of domain %u", v->domid);
}
