/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hv/xen/format/xen_driver.h"
#include "engine/hv/xen/xen_vm.h"

/* A driver looks last of all whether its channel is open: so long, and longer, may its CPU be kept
 * from going on to the suspend itself. */
#define HUNG_UP_MS 1000

/*
 * The event channel through which Xen tells that the VM has suspended: one that the guest's driver
 * listens on as well, or one that nobody but us uses.
 */

/* An agent that was killed leaves this when the kernel may yet obey its last request. */
static void asked_path(const struct xen_vm *v, char path[XEN_PATH_MAX])
{
    snprintf(path, XEN_PATH_MAX, "/libxl/%u/remus/kernel-asked", v->domid);
}

void xen_shutdown_path(const struct xen_vm *v, char path[XEN_PATH_MAX])
{
    snprintf(path, XEN_PATH_MAX, "/local/domain/%u/" XEN_NODE_SHUTDOWN, v->domid);
}

/* Whether event channel `port` of domain `domid` can be, or is, connected to this host. */
static uint32_t channel_status(const struct xen_vm *v, uint32_t domid, uint32_t port)
{
    xc_evtchn_status_t s = {.dom = (domid_t)domid, .port = port};

    return xc_evtchn_status(v->x->xch, &s) ? EVTCHNSTAT_closed : s.status;
}

bool xen_suspend_hung_up(const struct xen_vm *v)
{
    const struct xen_suspend *s = &v->suspend;

    return s->now.driver &&
           channel_status(v, DOMID_SELF, (uint32_t)s->port) != EVTCHNSTAT_interdomain;
}

/* Made once for a domain, and found again later. */
static int make_own(struct xen_vm *v)
{
    char path[XEN_PATH_MAX], text[16];
    char *known = xen_xs_read(v->x, "/libxl/%u/remus/suspend-port", v->domid);
    int port = known ? atoi(known) : 0;

    free(known);
    if (port > 0 && channel_status(v, v->domid, (uint32_t)port) != EVTCHNSTAT_closed) {
        v->suspend.own_port = (uint32_t)port;
        return 0;
    }
    port = xc_evtchn_alloc_unbound(v->x->xch, v->domid, 0);
    if (port < 0)
        return -1;
    v->suspend.own_port = (uint32_t)port;
    snprintf(path, sizeof(path), "/libxl/%u/remus/suspend-port", v->domid);
    snprintf(text, sizeof(text), "%d", port);
    return xen_xs_write(v->x, path, text);
}

/* From now on the channel is the one with `guest_port`; -1: it is as it was. */
static int connect_to(struct xen_vm *v, uint32_t guest_port)
{
    struct xen_suspend *s = &v->suspend;
    int port = xenevtchn_bind_interdomain(s->xce, v->domid, guest_port);

    if (port < 0)
        return -1;
    if (xc_domain_subscribe_for_suspend(v->x->xch, v->domid, guest_port)) {
        xenevtchn_unbind(s->xce, (evtchn_port_t)port);
        return -1;
    }
    xenevtchn_unbind(s->xce, (evtchn_port_t)s->port);
    s->port = port;
    s->fresh = true;
    s->masked = false;
    s->guest_port = guest_port;
    return 0;
}

/* Requests of others to the guest's kernel are of interest while the driver stops it. */
static void use_driver(struct xen_vm *v, const struct xen_driver_choice *c)
{
    struct xen_suspend *s = &v->suspend;
    char path[XEN_PATH_MAX];

    if (!s->now.driver) {
        xen_shutdown_path(v, path);
        s->shutdown_events = 0;
        s->watched = xs_watch(v->ends, path, XEN_WATCH_SHUTDOWN);
        asked_path(v, path);
        xs_rm(v->x->xs, XBT_NULL, path);
    }
    s->late = s->refused = s->by_driver = false;
    s->plain = c->plain && s->watched;
    s->refuses = c->refuses;
    s->now = (struct hv_suspend_now){.driver = true};
    strcpy(s->now.version, c->version);
}

/* The driver's channel is about to be closed by us. */
static void doubt(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;

    s->late = s->late && s->now.driver && !xen_suspend_hung_up(v);
    s->late_until = mono_add(mono_now(), HUNG_UP_MS * NS_PER_MS);
}

void xen_suspend_use_kernel(struct xen_vm *v, bool failed, const char *why)
{
    struct xen_suspend *s = &v->suspend;
    char path[XEN_PATH_MAX];

    doubt(v);

    if (s->now.driver) {
        xen_shutdown_path(v, path);
        xs_unwatch(v->ends, path, XEN_WATCH_SHUTDOWN);
    }
    /* Without a channel the VM is looked at now and then: slow, but not wrong. */
    if (s->guest_port != s->own_port)
        (void)!connect_to(v, s->own_port);
    asked_path(v, path);
    (void)!xen_xs_write(v->x, path, "1");
    s->now = (struct hv_suspend_now){.failed = failed};
    snprintf(s->now.why, sizeof(s->now.why), "%s", why);
    s->by_driver = s->late;
    s->plain = s->refused = false;
}

static struct xen_driver_choice choose(const struct xen_vm *v)
{
    static const char node[] = "/local/domain/%u/device/suspend/event-channel%s";
    char *port = xen_xs_read(v->x, node, v->domid, "");
    char *version = xen_xs_read(v->x, node, v->domid, "/version");
    char *capabilities = xen_xs_read(v->x, node, v->domid, "/capabilities");
    const struct xen_driver_says says = {port, version, capabilities};
    struct xen_driver_choice c = xen_driver_choose(v->suspend.wanted, &says);

    free(port);
    free(version);
    free(capabilities);
    return c;
}

void xen_suspend_review(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;
    struct xen_driver_choice c = choose(v);

    s->changed = false;
    s->reviewed = mono_now();
    s->trust = (struct xen_trust){.since = s->reviewed};
    if (!c.use)
        xen_suspend_use_kernel(v, false, c.why);
    else if ((s->guest_port == c.port && s->now.driver && !xen_suspend_hung_up(v)) ||
             connect_to(v, c.port) == 0)
        use_driver(v, &c);
    else
        xen_suspend_use_kernel(v, true,
                               "the guest's driver has closed the event channel that it names");
}

void xen_suspend_hang_up(struct xen_vm *v)
{
    xen_suspend_use_kernel(v, false, "protection ends");
}

int xen_suspend_open(struct xen_vm *v, enum hv_suspend suspend, struct err *err)
{
    struct xen_suspend *s = &v->suspend;
    char *asked = xen_xs_read(v->x, "/libxl/%u/remus/kernel-asked", v->domid);

    s->wanted = suspend;
    if (asked)
        xen_suspend_kernel_asked(v);
    free(asked);
    s->xce = xenevtchn_open(v->x->log, 0);
    if (!s->xce)
        return err_errno(err, "load the kernel module xen-evtchn", "event channels");
    if (make_own(v) || xen_watch_add(v, xenevtchn_fd(s->xce)))
        return err_errno(err, "", "event channel of domain %u", v->domid);
    s->port =
        xc_suspend_evtchn_init_sane(v->x->xch, s->xce, v->domid, (int)s->own_port, &s->lock_fd);
    if (s->port < 0) {
        errno = EBUSY;
        return err_set(err, "wait until it is done, or end it",
                       "the suspend channel of domain %u cannot be had: it is being saved or "
                       "migrated",
                       v->domid);
    }
    s->fresh = true;
    s->guest_port = s->own_port;
    xen_suspend_review(v);
    if (s->now.driver || suspend != HV_SUSPEND_DRIVER)
        return 0;
    errno = ENOTSUP;
    return err_set(err, "load the driver in the guest, or protect with suspend = auto", "%s",
                   s->now.why);
}

void xen_suspend_subscribe(const struct xen_vm *v, bool us)
{
    /* Not to be had back: then the VM is looked at now and then, slow, but not wrong. */
    (void)!xc_domain_subscribe_for_suspend(v->x->xch, v->domid, us ? v->suspend.guest_port : 0);
}

void xen_suspend_close(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;
    char path[XEN_PATH_MAX];

    if (s->port >= 0) {
        /* Later events go the usual way again, or Xen's tools would wait for them in vain. */
        xen_suspend_subscribe(v, false);
        xc_suspend_evtchn_release(v->x->xch, s->xce, v->domid, s->port, &s->lock_fd);
        asked_path(v, path);
        if (!s->late)
            xs_rm(v->x->xs, XBT_NULL, path);
    }
    if (s->xce)
        xenevtchn_close(s->xce);
}
