/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hv/xen/xen_impl.h"

static void xen_close(struct hv *hv)
{
    struct xen_hv *x = (struct xen_hv *)hv;

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
    free(x);
}

static int open_all(struct xen_hv *x)
{
    x->log = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    if (!x->log)
        return -1;
    x->xch = xc_interface_open(x->log, x->log, 0);
    if (!x->xch)
        return -1;
    x->fmem = xenforeignmemory_open(x->log, 0);
    if (!x->fmem)
        return -1;
    x->xs = xs_open(0);
    if (!x->xs)
        return -1;
    if (libxl_ctx_alloc(&x->ctx, LIBXL_VERSION, 0, x->log) == 0)
        return 0;
    errno = EIO;
    return -1;
}

/* The library and the hypervisor are of one release: its calls say EACCES otherwise. */
static int check_version(const struct xen_hv *x, struct err *err)
{
    xc_domaininfo_t info;

    if (xc_domain_getinfolist(x->xch, 0, 1, &info) >= 0)
        return 0;
    return err_errno(err,
                     errno == EACCES ? "install the program built for the Xen that runs here"
                                     : "run as root in dom0",
                     "cannot ask the hypervisor");
}

static int xen_open(const char *conf, struct hv **ret, struct err *err)
{
    struct xen_hv *x = calloc(1, sizeof(*x));

    (void)conf;
    if (!x)
        return err_errno(err, "", "xen");
    x->hv.ops = &hv_xen_ops;
    int rc = open_all(x) ? err_errno(err, "the host must run Xen, with xenstored, and this be root",
                                     "cannot open Xen's interfaces")
                         : check_version(x, err);
    if (rc == 0) {
        *ret = &x->hv;
        return 0;
    }
    int saved = errno;
    xen_close(&x->hv);
    errno = saved;
    return -1;
}

static int describe_found(const struct xen_hv *x, const xc_domaininfo_t *info, struct hv_info *ret,
                          struct err *err)
{
    char bridge[IFNAMSIZ];
    struct xen_vif vif;
    xen_pfn_t top;

    *ret = (struct hv_info){.vcpus = info->max_vcpu_id + 1};
    memcpy(ret->uuid.byte, info->handle, sizeof(ret->uuid.byte));
    if (xc_domain_maximum_gpfn(x->xch, info->domain, &top) < 0)
        return err_errno(err, "", "size of domain %u", info->domain);
    ret->pages = top + 1;
    ret->running = !(info->flags & (XEN_DOMINF_shutdown | XEN_DOMINF_paused));
    char *name = xen_xs_read(x, "/local/domain/%u/name", info->domain);
    snprintf(ret->name, sizeof(ret->name), "%s", name ? name : "");
    free(name);
    xen_vif_find(x, info->domain, &vif);
    if (vif.name[0] && xen_vif_bridge(x, &vif, bridge))
        snprintf(ret->net, sizeof(ret->net), "packet:%s", bridge);
    else
        snprintf(ret->net, sizeof(ret->net), "none");
    xen_vif_mac(x, &vif, ret->mac);
    xen_refuse(x, info, ret->refuse);
    return 0;
}

static int xen_find(struct hv *hv, const char *which, struct hv_info *ret, struct err *err)
{
    const struct xen_hv *x = (struct xen_hv *)hv;
    xc_domaininfo_t info;

    if (xen_dom_find(x, which, &info, err))
        return -1;
    return describe_found(x, &info, ret, err);
}

const struct hv_ops hv_xen_ops = {
    .name = "xen",
    .open = xen_open,
    .close = xen_close,
    .find = xen_find,
    .attach = xen_attach,
    .suspend_now = xen_suspend_now,
    .describe = xen_describe,
    .log_start = xen_log_start,
    .stop = xen_stop,
    .fetch_dirty = xen_fetch_dirty,
    .copy = xen_copy,
    .save_state = xen_save_state,
    .resume = xen_resume,
    .net_take = xen_net_take,
    .net_give = xen_net_give,
    .watch_fd = xen_watch_fd,
    .gone = xen_gone,
    .end = xen_end,
    .destroy = xen_destroy,
    .reap = xen_reap,
    .replica_create = xen_replica_create,
    .replica_pages = xen_replica_pages,
    .replica_memory = xen_replica_memory,
    .replica_page = xen_replica_page,
    .replica_write = xen_replica_write,
    .replica_set_state = xen_replica_set_state,
    .file_part = xen_file_part,
    .activate = xen_activate,
    .discard = xen_discard,
};
