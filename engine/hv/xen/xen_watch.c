/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/hv/xen/xen_keeper.h"
#include "engine/hv/xen/xen_vm.h"

/* A guest that writes without end is not looked at more often. */
#define REVIEW_MS 1000

int xen_watch_add(struct xen_vm *v, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(v->watch, EPOLL_CTL_ADD, fd, &ev);
}

int xen_watch_open(struct xen_vm *v, struct err *err)
{
    char path[XEN_PATH_MAX], devices[XEN_PATH_MAX];

    snprintf(path, sizeof(path), "/local/domain/%u/device/suspend", v->domid);
    snprintf(devices, sizeof(devices), "/libxl/%u/device", v->domid);
    v->watch = epoll_create1(EPOLL_CLOEXEC);
    v->ends = xs_open(0);
    if (v->watch >= 0 && v->ends && xs_watch(v->ends, "@releaseDomain", XEN_WATCH_END) &&
        xs_watch(v->ends, path, XEN_WATCH_DRIVER) &&
        xs_watch(v->ends, devices, XEN_WATCH_DEVICES) && xen_watch_add(v, xs_fileno(v->ends)) == 0)
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

static void on_watch(struct xen_vm *v, const char *token)
{
    struct xen_suspend *s = &v->suspend;

    /* The first event of a watch only says that it is there. */
    if (strcmp(token, XEN_WATCH_DRIVER) == 0 && ++s->driver_events > 1)
        s->changed = true;
    else if (strcmp(token, XEN_WATCH_SHUTDOWN) == 0 && ++s->shutdown_events > 1)
        xen_suspend_kernel_asked(v);
    else if (strcmp(token, XEN_WATCH_DEVICES) == 0)
        v->fitness.changed = true;
}

void xen_watch_drain(struct xen_vm *v)
{
    struct pollfd ready = {.fd = xs_fileno(v->ends), .events = POLLIN};
    char **event;

    if (poll(&ready, 1, 0) != 1) /* cheaper than to ask the library */
        return;
    while ((event = xs_check_watch(v->ends))) {
        on_watch(v, event[XS_WATCH_TOKEN]);
        free(event);
    }
}

/* Between two epochs; not while a request is on its way to whom was asked before. */
static void review_driver(struct xen_vm *v)
{
    const struct xen_suspend *s = &v->suspend;
    int64_t ms = mono_sub(mono_now(), s->reviewed) / NS_PER_MS;

    if (v->vm.stopped || xen_suspend_late(v) || ms < REVIEW_MS)
        return;
    if (s->changed)
        xen_suspend_review(v);
    else
        xen_suspend_try_again(v);
}

/*
 * A request that was given up on has been obeyed after all, or another tool asked while the dirty
 * log is ours: it cannot learn that the domain has suspended, since Xen tells us, and would wait in
 * vain.
 */
static void undo_stop(struct xen_vm *v)
{
    struct err err;

    xen_suspend_after_all(v);
    if (xen_resume(&v->vm, &err) && errno != ECANCELED)
        log_warnx("domain %u is suspended, not by us, and was not resumed: %s", v->domid, err.text);
    else
        log_info("domain %u had suspended, late or for another tool: resumed", v->domid);
}

/* Resumed elsewhere, there would be two of one that is started anew where it crashed. */
static enum hv_gone crashed(libxl_action_on_shutdown what)
{
    return xen_starts_anew(what) ? HV_SHUTDOWN : HV_CRASHED;
}

static enum hv_gone how_it_ended(const struct xen_vm *v, const xc_domaininfo_t *info)
{
    switch ((info->flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask) {
    case SHUTDOWN_poweroff:
    case SHUTDOWN_reboot: /* what comes after is another domain */
    case SHUTDOWN_soft_reset:
        return HV_SHUTDOWN;
    case SHUTDOWN_crash:
        return crashed(v->on_crash);
    case SHUTDOWN_watchdog:
        return crashed(v->on_watchdog);
    default:
        return HV_CRASHED;
    }
}

enum hv_gone xen_gone(struct hv_vm *vm)
{
    struct xen_vm *v = xen_vm_of(vm);
    xc_domaininfo_t info;

    xen_watch_drain(v);
    xen_suspend_idle_event(v);
    if (xen_dom_last(v->x, v->domid, &v->uuid, &info))
        return errno == ESRCH ? HV_CRASHED : HV_ALIVE;
    /* Before it is looked at whether it is dying: xl destroys at once what has powered off. */
    if ((info.flags & XEN_DOMINF_shutdown) && !xen_dom_suspended(&info))
        return how_it_ended(v, &info);
    if (info.flags & XEN_DOMINF_dying)
        return HV_CRASHED;
    if (v->log.theirs && !xen_suspend_late(v))
        return HV_ALIVE;
    if ((info.flags & XEN_DOMINF_shutdown) && !vm->stopped)
        undo_stop(v);
    else if (!(info.flags & XEN_DOMINF_shutdown)) {
        review_driver(v);
        xen_fitness_review(v);
    }
    return HV_ALIVE;
}
