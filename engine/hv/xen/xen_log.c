/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hv/xen/xen_vm.h"

/* No domain's size: what is mapped is not all of its memory. */
#define MAP_ANEW 0
/* Marked to see whether a log is on: any Linux has memory there, and the canary is before it. */
#define PROBE_PFN   64
#define PROBE_PAGES 8

int xen_log_open(struct xen_vm *v, struct err *err)
{
    struct xen_log *l = &v->log;
    size_t bytes = (v->mem.pages + 63) / 64 * 8, from = 0;
    DECLARE_HYPERCALL_BUFFER_SHADOW(unsigned long, bits, &l->buffer);

    l->buffer_pages = (bytes + XC_PAGE_SIZE - 1) / XC_PAGE_SIZE;
    bits = xc_hypercall_buffer_alloc_pages(v->x->xch, bits, (int)l->buffer_pages);
    l->dmod = xendevicemodel_open(v->x->log, 0);
    if (!bits || !l->dmod)
        return err_errno(err, "", "dirty log");
    if (bitmap_list(&v->mem.ram, &from, &l->canary, 1) == 1)
        return 0;
    errno = EINVAL;
    return err_set(err, "", "domain %u has no memory", v->domid);
}

/* An agent that was killed leaves the log on; this says that it was one of ours. */
static void mark_path(uint32_t domid, char path[XEN_PATH_MAX])
{
    snprintf(path, XEN_PATH_MAX, "/libxl/%u/remus/dirty-log", domid);
}

bool xen_log_ours(const struct xen_hv *x, uint32_t domid)
{
    char path[XEN_PATH_MAX];

    mark_path(domid, path);
    char *mark = xen_xs_read(x, "%s", path);
    free(mark);
    return mark != NULL;
}

/* Some page's mark comes back: Xen has no other way to say that a log is on. */
static bool comes_back(const struct xen_hv *x, xendevicemodel_handle *dmod, uint32_t domid)
{
    DECLARE_HYPERCALL_BUFFER(unsigned long, bits);

    bits = xc_hypercall_buffer_alloc(x->xch, bits, (PROBE_PFN / 64 + 1) * sizeof(*bits));
    if (!bits)
        return false;
    bool on = xendevicemodel_modified_memory(dmod, (domid_t)domid, PROBE_PFN, PROBE_PAGES) == 0 &&
              xc_logdirty_control(x->xch, domid, XEN_DOMCTL_SHADOW_OP_PEEK, HYPERCALL_BUFFER(bits),
                                  PROBE_PFN + PROBE_PAGES, 0, NULL) >= 0 &&
              bits[PROBE_PFN / 64] != 0;
    xc_hypercall_buffer_free(x->xch, bits);
    return on;
}

bool xen_log_is_on(const struct xen_hv *x, uint32_t domid)
{
    xendevicemodel_handle *dmod = xendevicemodel_open(x->log, 0);
    bool on = dmod && comes_back(x, dmod, domid);

    if (dmod)
        xendevicemodel_close(dmod);
    return on;
}

static int control(struct xen_vm *v, unsigned op)
{
    return xc_shadow_control(v->x->xch, v->domid, op, NULL, 0);
}

static void switch_off(struct xen_vm *v)
{
    char path[XEN_PATH_MAX];

    control(v, XEN_DOMCTL_SHADOW_OP_OFF);
    mark_path(v->domid, path);
    xs_rm(v->x->xs, XBT_NULL, path);
    v->log.on = false;
}

void xen_log_close(struct xen_vm *v)
{
    struct xen_log *l = &v->log;
    DECLARE_HYPERCALL_BUFFER_SHADOW(unsigned long, bits, &l->buffer);

    if (l->on)
        switch_off(v);
    if (l->buffer_pages)
        xc_hypercall_buffer_free_pages(v->x->xch, bits, (int)l->buffer_pages);
    if (l->dmod)
        xendevicemodel_close(l->dmod);
    *l = (struct xen_log){0};
}

static int set_canary(struct xen_vm *v)
{
    return xendevicemodel_modified_memory(v->log.dmod, (domid_t)v->domid, v->log.canary, 1);
}

int xen_log_start(struct hv_vm *vm, struct err *err)
{
    struct xen_vm *v = xen_vm_of(vm);
    char path[XEN_PATH_MAX];

    int rc = control(v, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
    if (rc < 0 && errno == EINVAL) {
        if (!xen_log_ours(v->x, v->domid)) {
            errno = EBUSY;
            return err_set(err, "wait until it is done; xl remus counts as well",
                           "the memory of domain %u is logged already: it is being migrated",
                           v->domid);
        }
        control(v, XEN_DOMCTL_SHADOW_OP_OFF);
        rc = control(v, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
    }
    if (rc < 0)
        return err_errno(err, "", "dirty log of domain %u", v->domid);
    v->log.on = v->log.fresh = true;
    mark_path(v->domid, path);
    if (set_canary(v) == 0 && xen_xs_write(v->x, path, "1") == 0)
        return 0;
    int saved = errno;
    switch_off(v);
    errno = saved;
    return err_errno(err, "", "dirty log of domain %u", v->domid);
}

static int clean(struct xen_vm *v, const uint64_t **ret)
{
    DECLARE_HYPERCALL_BUFFER_SHADOW(unsigned long, bits, &v->log.buffer);

    *ret = bits;
    return xc_logdirty_control(v->x->xch, v->domid, XEN_DOMCTL_SHADOW_OP_CLEAN, &v->log.buffer,
                               v->mem.pages, XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL, NULL) < 0
               ? -1
               : 0;
}

static int lost(struct xen_vm *v, struct err *err, const char *how)
{
    switch_off(v);
    errno = ESTALE;
    return err_set(err, "", "the dirty log of domain %u was lost: %s", v->domid, how);
}

/*
 * Another tool has switched it off or read it. While it is on it is theirs: ending it would make
 * them lose pages. The next log_start is refused until they are done.
 */
static int stolen(struct xen_vm *v, struct err *err)
{
    char path[XEN_PATH_MAX];

    if (control(v, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY) == 0)
        return lost(v, err, "another tool has switched it off");
    mark_path(v->domid, path);
    xs_rm(v->x->xs, XBT_NULL, path);
    v->log.on = false;
    errno = ESTALE;
    return err_set(err, "end xl save, xl migrate or xl remus of this VM",
                   "the dirty log of domain %u was taken over by another tool", v->domid);
}

/* Dirty pages outside of what is mapped: most are no memory, some have become memory. */
static int map_new(struct xen_vm *v, const struct bitmap *dirty, struct err *err)
{
    for (size_t i = 0; i < bitmap_words(dirty); i++) {
        uint64_t fresh = dirty->word[i] & ~v->mem.ram.word[i];
        for (; fresh; fresh &= fresh - 1) {
            uint64_t pfn = i * 64 + (uint64_t)__builtin_ctzll(fresh);
            if (xen_mem_map_new(v->x, v->domid, &v->mem, pfn, err))
                return -1;
        }
    }
    return 0;
}

/* Memory that was given away and had back is other memory than what we have mapped. */
static int check_size(struct xen_vm *v, struct err *err)
{
    xc_domaininfo_t info = {.tot_pages = v->last_pages}; /* stop has asked for it, too */

    if (!v->vm.stopped && xen_dom_info(v->x, v->domid, &v->uuid, &info))
        return err_errno(err, "", "domain %u", v->domid);
    if (info.tot_pages == v->tot_pages)
        return 0;
    v->tot_pages = MAP_ANEW;
    bitmap_zero(&v->mem.ram);
    if (xen_mem_map_all(v->x, v->domid, &v->mem, err)) {
        errno = EIO;
        return -1;
    }
    v->tot_pages = info.tot_pages;
    return lost(v, err, "its memory has changed in size");
}

int xen_fetch_dirty(struct hv_vm *vm, struct bitmap *dirty, struct err *err)
{
    struct xen_vm *v = xen_vm_of(vm);
    const uint64_t *bits;

    if (dirty->nbits != v->mem.pages) {
        errno = EINVAL;
        return err_set(err, "", "dirty bitmap of %zu pages for a VM of %llu", dirty->nbits,
                       (unsigned long long)v->mem.pages);
    }
    /* Xen 4.17 says success for a dying domain and reports nothing: check_size finds it out. */
    if (clean(v, &bits))
        return err_errno(err, "", "dirty log of domain %u", v->domid);
    bool fresh = bitmap_add(dirty, bits, &v->mem.ram);
    if (check_size(v, err))
        return -1;
    if (!(bits[v->log.canary / 64] >> v->log.canary % 64 & 1))
        return stolen(v, err);
    if (set_canary(v))
        return lost(v, err, "it cannot be marked");
    if (v->log.fresh)
        bitmap_or(dirty, &v->mem.ram);
    v->log.fresh = false;
    if (!fresh || map_new(v, dirty, err) == 0)
        return 0;
    v->tot_pages = MAP_ANEW; /* or that page would be none of what the next log begins with */
    return lost(v, err, "new memory cannot be mapped");
}
