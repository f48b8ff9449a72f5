/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/hv/xen/xen_vm.h"

static int watch_fd(int epoll, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
}

int xen_watch_open(struct xen_vm *v, struct err *err)
{
    v->watch = epoll_create1(EPOLL_CLOEXEC);
    v->ends = xs_open(0);
    if (v->watch >= 0 && v->ends && xs_watch(v->ends, "@releaseDomain", "end") &&
        watch_fd(v->watch, xs_fileno(v->ends)) == 0 &&
        watch_fd(v->watch, xenevtchn_fd(v->suspend.xce)) == 0)
        return 0;
    return err_errno(err, "", "watch on domain %u", v->domid);
}

void xen_watch_close(struct xen_vm *v)
{
    if (v->ends)
        xs_close(v->ends);
    if (v->watch >= 0)
        close(v->watch);
}

int xen_watch_fd(struct hv_vm *vm)
{
    return xen_vm_of(vm)->watch;
}

static void drain(struct xen_vm *v)
{
    char **event;

    while ((event = xs_check_watch(v->ends)))
        free(event);
    xen_suspend_drain(v);
}

/*
 * A request that was given up on has been obeyed after all, or another tool asked: it cannot learn
 * that the domain has suspended while Xen tells us, so it would wait in vain.
 */
static void undo_stop(struct xen_vm *v)
{
    struct err err;

    if (xen_resume(&v->vm, &err))
        log_warnx("domain %u is suspended, not by us, and was not resumed: %s", v->domid, err.text);
    else
        log_info("domain %u had suspended, late or for another tool: resumed", v->domid);
}

enum hv_gone xen_gone(struct hv_vm *vm)
{
    struct xen_vm *v = xen_vm_of(vm);
    xc_domaininfo_t info;

    drain(v);
    if (xen_dom_info(v->x, v->domid, &v->uuid, &info))
        return HV_CRASHED;
    if (!(info.flags & XEN_DOMINF_shutdown))
        return HV_ALIVE;
    if (xen_dom_suspended(&info)) {
        if (!vm->stopped)
            undo_stop(v);
        return HV_ALIVE;
    }
    switch ((info.flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask) {
    case SHUTDOWN_poweroff:
    case SHUTDOWN_reboot: /* what comes after is another domain */
    case SHUTDOWN_soft_reset:
        return HV_SHUTDOWN;
    default:
        return HV_CRASHED;
    }
}
