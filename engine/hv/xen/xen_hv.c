/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hv/xen/xen_replica.h"

static void xen_close(struct hv *hv)
{
    struct xen_hv *x = (struct xen_hv *)hv;

    xen_replica_clear(x);
    xen_handles_close(x);
    free(x);
}

static int xen_open(const char *conf, struct hv **ret, struct err *err)
{
    struct xen_hv *x = calloc(1, sizeof(*x));

    (void)conf;
    if (!x)
        return err_errno(err, "", "xen");
    x->hv.ops = &hv_xen_ops;
    if (xen_handles_open(x, err) == 0) {
        *ret = &x->hv;
        return 0;
    }
    int saved = errno;
    free(x);
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
    return 0;
}

static int xen_find(struct hv *hv, const char *which, struct hv_info *ret, struct err *err)
{
    struct xen_hv *x = (struct xen_hv *)hv;
    xc_domaininfo_t info;

    xen_replica_clear(x);
    if (xen_dom_find(x, which, &info, err))
        return -1;
    return describe_found(x, &info, ret, err);
}

static int xen_may_protect(struct hv *hv, const struct uuid *uuid, struct err *err)
{
    struct xen_hv *x = (struct xen_hv *)hv;
    char why[ERR_TEXT_MAX];
    xc_domaininfo_t info;

    if (xen_dom_by_uuid(x, uuid, XEN_VMS, &info))
        return err_errno(err, "", "cannot look at the domain");
    xen_refuse(x, &info, why);
    if (!why[0])
        return 0;
    errno = EPERM;
    return err_set(err, "", "%s", why);
}

const struct hv_ops hv_xen_ops = {
    .name = "xen",
    .open = xen_open,
    .close = xen_close,
    .find = xen_find,
    .may_protect = xen_may_protect,
    .attach = xen_attach,
    .suspend_now = xen_suspend_now,
    .unfit = xen_unfit,
    .rested = xen_rested,
    .settled = xen_settled,
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
    .replica_size = xen_replica_size,
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
