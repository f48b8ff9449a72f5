/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_FAKE_XEN_UTIL_H
#define REMUS_TESTS_FAKE_XEN_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/hv/xen/xen_vm.h"

/**
 * Xen in memory of the test, in place of its libraries: one domain and its suspend channel here,
 * xenstore with watches in fake_xenstore_util.h. The guest is what the test does with it;
 * `fake.guest` runs whenever the guest was asked to suspend, by whichever way.
 */
#define FAKE_DOMID 7
#define FAKE_NODES 32

struct fake_node {
    char path[XEN_PATH_MAX], value[64];
};

static struct fake_xen {
    bool there;
    int list_error;  /* Xen does not tell of domains */
    unsigned looked; /* so often was the domain looked at; `on_look` runs then */
    void (*on_look)(void);
    uint32_t flags; /* of the domain */
    uint64_t tot_pages;
    int (*page_types)(struct xen_domctl *ctl); /* fake_xen_memory_util.h */
    unsigned code;                             /* of its shutdown */
    void (*guest)(void);
    unsigned asked_driver, asked_kernel, resumed_plain, resumed_fast;
    int channel;              /* eventfd: the event channel's */
    unsigned heard, unmasked; /* events that were taken; times that the next was asked for */
    int bound;                /* our port of it, the last that was bound */
    int raised[8];            /* events that wait, by the port for which they came */
    unsigned raised_count;
    bool masked, kept; /* no other is wanted yet; there is one */
    void (*on_heard)(void);
    uint32_t guest_port; /* connected; 0: the guest has closed it */
    uint32_t subscribed; /* Xen raises this when the domain has suspended; 0: as it does for all */
    struct fake_node node[FAKE_NODES];
    struct fake_node pending;  /* written in the transaction that is open */
    unsigned conflicts;        /* so many transactions will have to be done again */
    struct fake_node watch[8]; /* value: its token */
    int told;                  /* eventfd: of the watches */
    bool no_watch;             /* another is not to be had */
    struct fake_node event[32];
    unsigned events;
} fake;

static inline void fake_wake(int fd)
{
    const uint64_t one = 1;

    assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static inline void fake_calm(int fd)
{
    uint64_t all;

    (void)!read(fd, &all, sizeof(all));
}

static inline void fake_start(void)
{
    fake = (struct fake_xen){.there = true,
                             .channel = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
                             .told = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    assert_true(fake.channel >= 0 && fake.told >= 0);
}

static inline void fake_end(void)
{
    close(fake.channel);
    close(fake.told);
}

/* ---- what the guest does ---- */

/** Raises an event on the suspend channel. */
static inline void fake_raise(void)
{
    if (fake.masked) {
        fake.kept = true;
        return;
    }
    assert_true(fake.raised_count < sizeof(fake.raised) / sizeof(fake.raised[0]));
    fake.raised[fake.raised_count++] = fake.bound;
    fake.masked = true;
    fake_wake(fake.channel);
}

/** Xen raises one itself; those of the port before stay where they are. */
static inline int fake_bind(uint32_t guest_port)
{
    fake.guest_port = guest_port;
    fake.bound++;
    fake.masked = fake.kept = false;
    fake_raise();
    return fake.bound;
}

/** Without an event. */
static inline void fake_shut_down_unheard(unsigned code)
{
    fake.flags |= XEN_DOMINF_shutdown;
    fake.code = code;
}

static inline void fake_shut_down(unsigned code)
{
    fake_shut_down_unheard(code);
    fake_raise();
}

static inline void fake_suspend(void)
{
    fake_shut_down(SHUTDOWN_suspend);
}

/* ---- event channels ---- */

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    return (xenevtchn_handle *)&fake;
}

int xenevtchn_close(xenevtchn_handle *xce)
{
    (void)xce;
    return 0;
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
    (void)xce;
    return fake.channel;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
    (void)xce;
    assert_true(fake.raised_count > 0);
    int port = fake.raised[0];
    memmove(fake.raised, fake.raised + 1, --fake.raised_count * sizeof(fake.raised[0]));
    if (fake.raised_count == 0)
        fake_calm(fake.channel);
    fake.heard++;
    if (fake.on_heard)
        fake.on_heard();
    return port;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce;
    assert_int_equal(port, fake.bound);
    bool again = fake.kept;
    fake.unmasked++;
    fake.masked = fake.kept = false;
    if (again)
        fake_raise();
    return 0;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce;
    (void)port;
    fake.asked_driver++;
    if (fake.guest)
        fake.guest();
    return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce, uint32_t domid,
                                                     evtchn_port_t remote_port)
{
    (void)xce;
    (void)domid;
    return fake_bind(remote_port);
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce;
    (void)port;
    return 0;
}

int xc_evtchn_status(xc_interface *xch, xc_evtchn_status_t *status)
{
    (void)xch;
    status->status = fake.guest_port ? EVTCHNSTAT_interdomain : EVTCHNSTAT_closed;
    return 0;
}

int xc_evtchn_alloc_unbound(xc_interface *xch, uint32_t dom, uint32_t remote_dom)
{
    (void)xch;
    (void)dom;
    (void)remote_dom;
    return 5;
}

int xc_domain_subscribe_for_suspend(xc_interface *xch, uint32_t domid, evtchn_port_t port)
{
    (void)xch;
    (void)domid;
    fake.subscribed = port;
    return 0;
}

int xc_suspend_evtchn_init_sane(xc_interface *xch, struct xenevtchn_handle *xce, uint32_t domid,
                                int port, int *lockfd)
{
    (void)xch;
    (void)xce;
    (void)domid;
    *lockfd = -1;
    fake.subscribed = (uint32_t)port;
    return fake_bind((uint32_t)port);
}

int xc_suspend_evtchn_release(xc_interface *xch, struct xenevtchn_handle *xce, uint32_t domid,
                              int port, int *lockfd)
{
    (void)xch;
    (void)xce;
    (void)domid;
    (void)port;
    (void)lockfd;
    return 0;
}

/* ---- the domain ---- */

int xc_domain_getinfolist(xc_interface *xch, uint32_t first, unsigned most, xc_domaininfo_t *ret)
{
    (void)xch;
    fake.looked++;
    if (fake.on_look)
        fake.on_look();
    if (fake.list_error) {
        errno = fake.list_error;
        return -1;
    }
    if (!fake.there || first > FAKE_DOMID || most == 0)
        return 0;
    *ret =
        (xc_domaininfo_t){.domain = FAKE_DOMID, .flags = fake.flags, .tot_pages = fake.tot_pages};
    if (fake.flags & XEN_DOMINF_shutdown)
        ret->flags |= fake.code << XEN_DOMINF_shutdownshift;
    return 1;
}

static inline void fake_resume(bool fast)
{
    fake.resumed_fast += fast;
    fake.resumed_plain += !fast;
    fake.flags &= ~(uint32_t)XEN_DOMINF_shutdown;
}

int xc_domain_resume(xc_interface *xch, uint32_t domid, int fast)
{
    (void)xch;
    (void)domid;
    fake_resume(fast);
    return 0;
}

int xc_domctl(xc_interface *xch, struct xen_domctl *ctl)
{
    int n = 1;

    if (ctl->cmd == XEN_DOMCTL_resumedomain)
        fake_resume(false);
    else if (ctl->cmd == XEN_DOMCTL_getpageframeinfo3)
        return fake.page_types(ctl);
    else
        n = xc_domain_getinfolist(xch, ctl->domain, 1, &ctl->u.getdomaininfo);
    if (n == 0)
        errno = ESRCH;
    return n == 1 ? 0 : -1;
}

#endif
