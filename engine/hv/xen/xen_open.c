/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/hv/xen/format/xen_trouble.h"
#include "engine/hv/xen/xen_impl.h"

void xen_handles_close(struct xen_hv *x)
{
    if (x->ctx)
        libxl_ctx_free(x->ctx);
    if (x->xs)
        xs_close(x->xs);
    if (x->fmem)
        xenforeignmemory_close(x->fmem);
    if (x->xch)
        xc_interface_close(x->xch);
    if (x->log)
        xtl_logger_destroy(x->log);
}

/* With the step that failed in *ret. Asked first what the libraries would say less clearly. */
static int open_all(struct xen_hv *x, enum xen_step *ret)
{
    *ret = XEN_STEP_DEVICE;
    if (access("/dev/xen/privcmd", R_OK | W_OK))
        return -1;
    *ret = XEN_STEP_LIBRARY;
    x->log = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    if (!x->log)
        return -1;
    x->xch = xc_interface_open(x->log, x->log, 0);
    if (!x->xch)
        return -1;
    x->fmem = xenforeignmemory_open(x->log, 0);
    if (!x->fmem)
        return -1;
    *ret = XEN_STEP_XENSTORE;
    x->xs = xs_open(0);
    if (!x->xs)
        return -1;
    return 0;
}

/* One call of each of the two interfaces that change with the release. */
static int call_all(const struct xen_hv *x)
{
    xc_domaininfo_t info;
    xc_vcpuinfo_t vcpu;

    return xc_domain_getinfolist(x->xch, 0, 1, &info) < 0 || xc_vcpu_getinfo(x->xch, 0, 0, &vcpu)
               ? -1
               : 0;
}

static int trouble(const struct xen_hv *x, enum xen_step step, struct err *err)
{
    int error = errno, version = x->xch ? xc_version(x->xch, XENVER_version, NULL) : -1;
    char running[32] = "";

    if (version >= 0)
        snprintf(running, sizeof(running), "%d.%d", version >> 16, version & 0xffff);
    return xen_trouble(step, error, REMUS_XEN_RELEASE, running, err);
}

static int open_and_try(struct xen_hv *x, struct err *err)
{
    enum xen_step step;

    if (open_all(x, &step))
        return trouble(x, step, err);
    if (call_all(x))
        return trouble(x, XEN_STEP_CALL, err);
    if (libxl_ctx_alloc(&x->ctx, LIBXL_VERSION, 0, x->log) == 0)
        return 0;
    errno = EIO;
    return trouble(x, XEN_STEP_LIBRARY, err);
}

int xen_handles_open(struct xen_hv *x, struct err *err)
{
    if (open_and_try(x, err) == 0)
        return 0;
    int saved = errno;
    xen_handles_close(x);
    errno = saved;
    return -1;
}
