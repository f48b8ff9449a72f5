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
#define FAILURES_MAX 5
/* Longer than a Linux kernel tries to freeze user tasks (20 s) and then its own (20 s). */
#define KERNEL_TRIES_S 60
/* How often it is looked whether the kernel has taken another tool's request. */
#define TAKEN_MS 5
/* Others, the guest among them, may write into a transaction of ours. */
#define CONFLICTS_MAX 32
/* Events per second that mean nothing, beyond which the channel is not listened to. */
#define IDLE_EVENTS_MAX 100

/* ---- events ---- */

/* Takes the channel's event, if one comes within `ms`; there is no other until `listen_again`. */
static bool take_event(struct xen_suspend *s, int ms)
{
    struct pollfd ready = {.fd = xenevtchn_fd(s->xce), .events = POLLIN};

    if (poll(&ready, 1, ms) != 1 || xenevtchn_pending(s->xce) < 0)
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
    if (take_event(s, 0) && ++s->idle_events == IDLE_EVENTS_MAX && !s->storm_told) {
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

enum answer { GONE = -1, NOT_YET, SUSPENDED, REFUSED, UNKNOWN };

/* GONE: errno=ESRCH. UNKNOWN: Xen does not tell. */
static enum answer look(struct xen_vm *v)
{
    xc_domaininfo_t info;

    if (xen_dom_info(v->x, v->domid, &v->uuid, &info))
        return errno == ESRCH ? GONE : UNKNOWN;
    v->suspend.paused = (info.flags & XEN_DOMINF_paused) != 0;
    if (!(info.flags & XEN_DOMINF_shutdown))
        return NOT_YET;
    if (!xen_dom_suspended(&info)) {
        errno = ESRCH;
        return GONE;
    }
    v->last_pages = info.tot_pages;
    return SUSPENDED;
}

/* As look, when it is so, or at `end`, or when the driver goes. */
static enum answer await(struct xen_vm *v, struct mono end)
{
    struct xen_suspend *s = &v->suspend;

    for (;;) {
        int64_t left = (mono_sub(end, mono_now()) + NS_PER_MS - 1) / NS_PER_MS;
        bool heard = take_event(s, left < 0 ? 0 : left < LOOK_MS ? (int)left : LOOK_MS);
        enum answer seen = look(v);
        if (seen == UNKNOWN)
            seen = NOT_YET;
        if (seen != NOT_YET || left <= 0 || xen_suspend_hung_up(v))
            return seen;
        listen_again(s);
        hv_waiting(&v->vm);
        if (heard && s->now.driver && s->refuses)
            return REFUSED;
    }
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

/* 0: not yet, another tool's request comes first, which ours would make unseen. */
static int ask(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;
    int asked = 1;

    (void)!take_event(s, 0); /* what comes from now on is an answer */
    listen_again(s);
    if (!s->now.driver) {
        asked = change_request(v, "", "suspend");
        if (asked == 0) /* left by an agent that was killed: the kernel looks at what is new */
            asked = change_request(v, "suspend", "suspend");
    } else if (xenevtchn_notify(s->xce, (evtchn_port_t)s->port))
        asked = -1;
    if (asked <= 0)
        return asked;
    s->asked = mono_now();
    s->late = true;
    s->by_driver = s->now.driver;
    return 1;
}

/* What was asked before may be obeyed only now; but a kernel that could not freeze a task has
 * forgotten it. */
static bool still_asked(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;

    if (!s->late || mono_before(mono_now(), mono_add(s->asked, KERNEL_TRIES_S * NS_PER_S)))
        return s->late;
    s->late = false;
    if (s->changed)
        xen_suspend_review(v);
    return false;
}

/* As await. */
static enum answer request(struct xen_vm *v, struct mono end)
{
    while (!still_asked(v)) {
        struct mono soon = mono_add(mono_now(), TAKEN_MS * NS_PER_MS);
        int asked = ask(v);
        if (asked)
            return asked > 0 ? await(v, end) : GONE;
        enum answer seen = await(v, mono_before(soon, end) ? soon : end);
        if (seen != NOT_YET || !mono_before(soon, end))
            return seen;
    }
    return await(v, end);
}

/* True when the guest had not seen the request and will not see it any more. */
static bool take_back(struct xen_vm *v)
{
    return !v->suspend.now.driver && change_request(v, "suspend", "") == 1;
}

static int not_stopped(struct xen_vm *v, bool refused, int timeout_ms, struct err *err)
{
    struct xen_suspend *s = &v->suspend;

    bool asked = s->late;
    if (refused || (asked && take_back(v)))
        s->late = false;
    if (s->now.driver && !s->paused && ++s->failures >= FAILURES_MAX)
        xen_suspend_give_up(v);
    errno = ETIMEDOUT;
    if (refused)
        return err_set(err, "give its CPUs a host's each",
                       "the driver in domain %u could not bring its CPUs together", v->domid);
    if (!asked)
        return err_set(err, "its console says whether it is shutting down",
                       "domain %u did not take another tool's request within %d ms", v->domid,
                       timeout_ms);
    return err_set(err, "see the guest's console: a task may refuse to freeze",
                   "domain %u did not suspend within %d ms", v->domid, timeout_ms);
}

int xen_stop(struct hv_vm *vm, int timeout_ms, struct err *err)
{
    struct xen_vm *v = xen_vm_of(vm);
    struct mono end = mono_add(mono_now(), timeout_ms * NS_PER_MS);

    enum answer seen = request(v, end);
    if (seen == NOT_YET && xen_suspend_hung_up(v)) { /* the other way, in what is left */
        xen_suspend_review(v);
        seen = request(v, end);
    }
    if (seen == GONE)
        return err_errno(err, "", "domain %u cannot be stopped", v->domid);
    if (seen != SUSPENDED)
        return not_stopped(v, seen == REFUSED, timeout_ms, err);
    v->suspend.late = false;
    v->suspend.failures = 0;
    xen_rest_stopped(v);
    return 0;
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

/* What libxc does for a plain resume of such a guest, without asking again of which kind it is. */
static int resume_plain(const struct xen_vm *v)
{
    struct xen_domctl ctl = {.cmd = XEN_DOMCTL_resumedomain, .domain = (domid_t)v->domid};

    return xc_domctl(v->x->xch, &ctl);
}

static int resume_as(const struct xen_vm *v, bool plain)
{
    return plain ? resume_plain(v) : xc_domain_resume(v->x->xch, v->domid, 1);
}

int xen_resume(struct hv_vm *vm, struct err *err)
{
    struct xen_vm *v = xen_vm_of(vm);
    bool plain = plain_is_right(v);

    v->suspend.late = v->suspend.by_driver = false;
    /* The plain resume of a domain that runs is no error to Xen. */
    enum answer seen = plain ? look(v) : SUSPENDED;
    if (seen == SUSPENDED && resume_as(v, plain) == 0) {
        listen_again(&v->suspend);
        xen_rest_resumed(v);
        return 0;
    }
    listen_again(&v->suspend);
    seen = look(v);
    errno = seen == GONE ? ESRCH : seen == NOT_YET ? ECANCELED : EIO;
    if (seen == NOT_YET)
        return err_set(err, "do not save or migrate it while it is protected",
                       "domain %u was resumed by another tool", v->domid);
    return err_errno(err, "", "resume of domain %u", v->domid);
}
