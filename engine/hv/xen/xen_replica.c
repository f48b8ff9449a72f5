/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/base/log.h"
#include "engine/hv/xen/xen_host.h"
#include "engine/hv/xen/xen_hotplug.h"
#include "engine/hv/xen/xen_replica.h"
#include "engine/net/bridge.h"

static const uint8_t zero_page[HV_PAGE_SIZE];

int xen_reap(struct hv *hv, const struct uuid *uuid, struct err *err)
{
    const struct xen_hv *x = (struct xen_hv *)hv;
    xc_domaininfo_t info;

    while (xen_dom_by_uuid(x, uuid, XEN_REPLICAS, &info) == 0) {
        if (xen_dom_destroy(x, info.domain, uuid, err))
            return -1;
    }
    return errno == ENOENT ? 0 : err_errno(err, "", "cannot list the domains");
}

static void release(struct xen_replica *s)
{
    free(s->desc);
    free(s->state);
    free(s);
}

void xen_replica_clear(struct xen_hv *x)
{
    struct xen_replica *s = x->settled;

    x->settled = NULL;
    if (!s)
        return;
    xen_build_leave(&s->build);
    xen_mem_free(&s->mem);
    release(s);
}

/* The unfinished domain and the handle; libxl has destroyed the first already if it could. */
static void demolish(struct xen_replica *s)
{
    int saved = errno;
    struct err err;

    xen_mem_free(&s->mem);
    xen_build_leave(&s->build);
    if (xen_reap(&s->x->hv, &s->uuid, &err))
        log_warnx("replica not destroyed: %s", err.text);
    release(s);
    errno = saved;
}

static int fill(struct xen_replica *s, const struct xen_desc *desc, struct err *err)
{
    if (xen_mem_init(&s->mem, desc->pages, PROT_READ | PROT_WRITE, err))
        return -1;
    for (size_t i = 0; i < desc->range_count; i++) {
        struct xen_range r = xen_desc_range(desc, i);
        if (xen_host_populate(s->x, s->build.domid, r.first, r.count, err) ||
            xen_mem_map(s->x, s->build.domid, &s->mem, r.first, r.count, err))
            return -1;
        memset(s->mem.base + r.first * HV_PAGE_SIZE, 0, r.count * HV_PAGE_SIZE);
        s->memory += r.count;
    }
    return 0;
}

static int check_absent(const struct xen_hv *x, const struct uuid *uuid, struct err *err)
{
    xc_domaininfo_t info;

    if (xen_dom_by_uuid(x, uuid, XEN_ANY, &info)) {
        if (errno == ENOENT)
            return 0;
        return err_errno(err, "", "cannot list the domains");
    }
    errno = EEXIST;
    return err_set(err, "see xl list; destroy the copy that is not wanted",
                   "domain %u has this VM's UUID", info.domain);
}

static int keep_desc(struct xen_replica *s, const void *desc, size_t len, struct err *err)
{
    s->desc = malloc(len + 1); /* it may be empty, and is then found malformed */
    if (!s->desc)
        return err_errno(err, "", "replica");
    memcpy(s->desc, desc, len);
    s->desc_len = len;
    return 0;
}

int xen_replica_size(struct hv *hv, const void *desc, size_t len, struct hv_size *ret,
                     struct err *err)
{
    struct xen_desc d;

    (void)hv;
    if (xen_desc_parse(desc, len, &d, err))
        return -1;
    *ret = (struct hv_size){d.pages, xen_desc_memory(&d)};
    return 0;
}

int xen_replica_create(struct hv *hv, const void *desc, size_t len, struct hv_replica **ret,
                       struct err *err)
{
    struct xen_hv *x = (struct xen_hv *)hv;
    struct xen_desc d;
    struct xen_replica *s = calloc(1, sizeof(*s));

    if (!s)
        return err_errno(err, "", "replica");
    s->replica.ops = &hv_xen_ops;
    s->x = x;
    if (keep_desc(s, desc, len, err) || xen_desc_parse(desc, len, &d, err) ||
        xen_host_check(x, &d, &s->uuid, s->name, err) || check_absent(x, &s->uuid, err)) {
        int saved = errno;
        release(s);
        errno = saved;
        return -1;
    }
    if (xen_build_start(&s->build, x, &d, &s->uuid, err) || fill(s, &d, err)) {
        demolish(s);
        return -1;
    }
    *ret = &s->replica;
    return 0;
}

uint64_t xen_replica_pages(const struct hv_replica *r)
{
    return ((const struct xen_replica *)r)->mem.pages;
}

uint64_t xen_replica_memory(const struct hv_replica *r)
{
    return ((const struct xen_replica *)r)->memory;
}

const void *xen_replica_page(struct hv_replica *r, uint64_t pfn)
{
    const struct xen_mem *m = &xen_replica_of(r)->mem;

    if (pfn >= m->pages)
        return NULL;
    return bitmap_test(&m->ram, pfn) ? m->base + pfn * HV_PAGE_SIZE : zero_page;
}

static int write_page(struct xen_replica *s, uint64_t pfn, const void *page, struct err *err)
{
    if (!bitmap_test(&s->mem.ram, pfn)) {
        if (memcmp(page, zero_page, HV_PAGE_SIZE) == 0)
            return 0;
        if (xen_host_populate(s->x, s->build.domid, pfn, 1, err) ||
            xen_mem_map(s->x, s->build.domid, &s->mem, pfn, 1, err))
            return -1;
        s->memory++;
    }
    memcpy(s->mem.base + pfn * HV_PAGE_SIZE, page, HV_PAGE_SIZE);
    return 0;
}

int xen_replica_write(struct hv_replica *r, const uint64_t *pfn, const void *const *page, size_t n,
                      struct err *err)
{
    struct xen_replica *s = xen_replica_of(r);

    for (size_t i = 0; i < n; i++) {
        if (write_page(s, pfn[i], page[i], err))
            return -1;
    }
    return 0;
}

int xen_replica_set_state(struct hv_replica *r, const void *state, size_t len, struct err *err)
{
    struct xen_replica *s = xen_replica_of(r);
    const uint8_t *records;
    size_t records_len;

    if (xen_state_check(state, len, &records, &records_len, err))
        return -1;
    if (!xen_build_alive(&s->build)) {
        errno = ESRCH;
        return err_set(err, "libxl's reason is in the log", "the replica's builder has died");
    }
    void *copy = realloc(s->state, len);
    if (!copy)
        return err_errno(err, "", "state");
    memcpy(copy, state, len);
    s->state = copy;
    s->state_len = len;
    return 0;
}

/* For vif-remus, which libxl starts for the replica's interface; NULL: no longer. */
static int tell_bridge(const struct xen_replica *s, const char *bridge)
{
    char path[XEN_PATH_MAX];

    snprintf(path, sizeof(path), "/libxl/%u/" XEN_KEY_ACTIVATE_BRIDGE, s->build.domid);
    if (bridge)
        return xen_xs_write(s->x, path, bridge);
    return xs_rm(s->x->xs, XBT_NULL, path) ? 0 : -1;
}

/* Complete and paused: onto its network and running. */
static int start_running(struct xen_replica *s, const char *bridge, struct err *err)
{
    struct xen_vif vif;

    /* Another hotplug script than ours has put it where the primary's configuration says. */
    if (*bridge && xen_vif_find(s->x, s->build.domid, &vif) > 0 &&
        bridge_move(vif.name, bridge, err))
        return -1;
    if (libxl_domain_unpause(s->x->ctx, s->build.domid, NULL) == 0)
        return 0;
    errno = EIO;
    return err_set(err, "see the log", "libxl does not unpause domain %u", s->build.domid);
}

/* All that can wait until the guest runs. */
static void settle(struct xen_replica *s)
{
    if (libxl_domain_rename(s->x->ctx, s->build.domid, NULL, s->name))
        log_warnx("domain %u runs but cannot be called %s: the name is taken", s->build.domid,
                  s->name);
    (void)tell_bridge(s, NULL);
    xen_replica_clear(s->x);
    s->x->settled = s;
}

int xen_activate(struct hv_replica *r, const char *net, struct err *err)
{
    struct xen_replica *s = xen_replica_of(r);
    const uint8_t *records;
    char bridge[IFNAMSIZ] = "";
    size_t len;

    if (xen_state_check(s->state, s->state_len, &records, &len, err))
        return -1;
    if (net && strcmp(net, "none") != 0 && xen_vif_lead(net, bridge, err))
        return -1;
    if (*bridge && tell_bridge(s, bridge))
        return err_errno(err, "", "xenstore");
    if (!s->complete && xen_build_finish(&s->build, records, len, err)) {
        errno = ESRCH; /* with its memory */
        return -1;
    }
    s->complete = true;
    if (start_running(s, bridge, err))
        return -1;
    settle(s);
    return 0;
}

void xen_discard(struct hv_replica *r)
{
    demolish(xen_replica_of(r));
}
