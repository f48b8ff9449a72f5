/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "engine/hv/xen/xen_vm.h"

/* The event may be lost to another subscriber of the channel: then this finds the state. */
#define LOOK_MS 50
/* How often it is looked whether the kernel has taken another tool's request. */
#define TAKEN_MS 5

enum xen_answer xen_suspend_look(struct xen_vm *v)
{
    xc_domaininfo_t info;

    if (xen_dom_info(v->x, v->domid, &v->uuid, &info))
        return errno == ESRCH ? XEN_GONE : XEN_UNKNOWN;
    v->suspend.paused = (info.flags & XEN_DOMINF_paused) != 0;
    if (!(info.flags & XEN_DOMINF_shutdown))
        return XEN_NOT_YET;
    if (!xen_dom_suspended(&info)) {
        errno = ESRCH;
        return XEN_GONE;
    }
    v->last_pages = info.tot_pages;
    return XEN_SUSPENDED;
}

/* As look, when it is so, or at `end`, or when the driver goes. */
static enum xen_answer await(struct xen_vm *v, struct mono end)
{
    struct xen_suspend *s = &v->suspend;

    for (;;) {
        int64_t left = (mono_sub(end, mono_now()) + NS_PER_MS - 1) / NS_PER_MS;
        bool heard = xen_suspend_event(s, left < 0 ? 0 : left < LOOK_MS ? (int)left : LOOK_MS);
        enum xen_answer seen = xen_suspend_look(v);
        if (seen == XEN_UNKNOWN)
            seen = XEN_NOT_YET;
        if (seen != XEN_NOT_YET || left <= 0 || xen_suspend_hung_up(v))
            return seen;
        xen_suspend_listen(s);
        hv_waiting(&v->vm);
        if (heard && s->now.driver && s->refuses)
            return XEN_REFUSED;
    }
}

/* As await. */
static enum xen_answer request(struct xen_vm *v, struct mono end)
{
    while (!xen_suspend_asked(v)) {
        struct mono soon = mono_add(mono_now(), TAKEN_MS * NS_PER_MS);
        int asked = xen_suspend_ask(v);
        if (asked)
            return asked > 0 ? await(v, end) : XEN_GONE;
        enum xen_answer seen = await(v, mono_before(soon, end) ? soon : end);
        if (seen != XEN_NOT_YET || !mono_before(soon, end))
            return seen;
    }
    return await(v, end);
}

static int not_stopped(struct xen_vm *v, bool refused, int timeout_ms, struct err *err)
{
    struct xen_suspend *s = &v->suspend;

    bool asked = s->late;
    s->refused = refused;
    if (refused || (asked && xen_suspend_take_back(v)))
        s->late = false;
    if (s->now.driver)
        xen_suspend_driver_failed(v);
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

    enum xen_answer seen = request(v, end);
    if (seen == XEN_NOT_YET && xen_suspend_hung_up(v)) { /* the other way, in what is left */
        xen_suspend_review(v);
        seen = request(v, end);
    }
    if (seen == XEN_GONE)
        return err_errno(err, "", "domain %u cannot be stopped", v->domid);
    if (seen != XEN_SUSPENDED)
        return not_stopped(v, seen == XEN_REFUSED, timeout_ms, err);
    v->suspend.late = false;
    if (v->suspend.now.driver)
        xen_suspend_driver_obeyed(v);
    xen_rest_stopped(v);
    return 0;
}
