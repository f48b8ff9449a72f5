/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "engine/hv/xen/xen_vm.h"

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
    enum xen_answer seen = plain ? xen_suspend_look(v) : XEN_SUSPENDED;
    if (seen == XEN_SUSPENDED && resume_as(v, plain) == 0) {
        xen_suspend_listen(&v->suspend);
        xen_rest_resumed(v);
        return 0;
    }
    xen_suspend_listen(&v->suspend);
    seen = xen_suspend_look(v);
    errno = seen == XEN_GONE ? ESRCH : seen == XEN_NOT_YET ? ECANCELED : EIO;
    if (seen == XEN_NOT_YET)
        return err_set(err, "do not save or migrate it while it is protected",
                       "domain %u was resumed by another tool", v->domid);
    return err_errno(err, "", "resume of domain %u", v->domid);
}
