/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "engine/hv/xen/xen_vm.h"

/* No domain's size: what is mapped is not all of its memory. */
#define MAP_ANEW 0

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

static int control(struct xen_vm *v, unsigned op)
{
    return xc_shadow_control(v->x->xch, v->domid, op, NULL, 0);
}

static void switch_off(struct xen_vm *v)
{
    control(v, XEN_DOMCTL_SHADOW_OP_OFF);
    xen_log_unsign(v->x, v->domid);
    v->log.on = false;
}

void xen_log_close(struct xen_vm *v)
{
    struct xen_log *l = &v->log;
    DECLARE_HYPERCALL_BUFFER_SHADOW(unsigned long, bits, &l->buffer);

    /* Nobody may have looked for long: by now it may be another tool's. */
    if (l->on && xen_log_ours(v->x, v->domid))
        switch_off(v);
    if (l->on)
        xen_log_unsign(v->x, v->domid);
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

/* A tool that has the log is to hear when the VM has suspended: Xen tells only one. */
static void is_theirs(struct xen_vm *v, bool theirs)
{
    if (theirs != v->log.theirs)
        xen_suspend_subscribe(v, !theirs);
    v->log.theirs = theirs;
}

/* It has ended the log, and has yet to resume the VM, or to destroy it. */
static bool still_at_work(const struct xen_vm *v)
{
    xc_domaininfo_t info;

    return v->log.theirs && !v->vm.stopped && !v->suspend.late &&
           xen_dom_info(v->x, v->domid, &v->uuid, &info) == 0 && xen_dom_suspended(&info);
}

/* `left`: by an agent of ours that was killed. */
static int switch_on(struct xen_vm *v, bool left, struct err *err)
{
    int rc = control(v, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);

    if (rc < 0 && errno == EINVAL && !left) {
        is_theirs(v, true);
        errno = EBUSY;
        return err_set(err,
                       "wait until xl migrate or xl remus of it is done; a log that one left is "
                       "ended by: xl save -c VM /dev/null",
                       "another tool has the dirty log of domain %u on", v->domid);
    }
    if (rc < 0 && errno == EINVAL) {
        control(v, XEN_DOMCTL_SHADOW_OP_OFF);
        rc = control(v, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
    }
    return rc < 0 ? err_errno(err, "", "dirty log of domain %u", v->domid) : 0;
}

int xen_log_start(struct hv_vm *vm, struct err *err)
{
    struct xen_vm *v = xen_vm_of(vm);
    bool left = xen_log_ours(v->x, v->domid);

    if (still_at_work(v)) {
        errno = EBUSY;
        return err_set(err, "wait until xl migrate of this VM is done",
                       "another tool has suspended domain %u", v->domid);
    }
    /* Signed before it is on: killed in between, nobody would ever switch it off. */
    if (xen_log_sign(v->x, v->domid, v->log.canary))
        return err_errno(err, "", "dirty log of domain %u", v->domid);
    if (switch_on(v, left, err)) {
        int saved = errno;
        xen_log_unsign(v->x, v->domid);
        errno = saved;
        return -1;
    }
    v->log.on = v->log.fresh = true;
    is_theirs(v, false);
    if (set_canary(v) == 0)
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

/* The tool that has the log counts on finding these marks. */
static void put_back(struct xen_vm *v, const uint64_t *bits)
{
    for (size_t i = 0; i < (v->mem.pages + 63) / 64; i++) {
        for (uint64_t left = bits[i]; left; left &= left - 1) {
            uint64_t pfn = i * 64 + (uint64_t)__builtin_ctzll(left);
            (void)xendevicemodel_modified_memory(v->log.dmod, (domid_t)v->domid, pfn, 1);
        }
    }
}

/*
 * Another tool has switched it off or read it. While it is on it is theirs: ending it would make
 * them lose pages. The next log_start is refused until they are done.
 */
static int stolen(struct xen_vm *v, const uint64_t *bits, struct err *err)
{
    xc_domaininfo_t info;

    if (xen_dom_info(v->x, v->domid, &v->uuid, &info))
        return err_errno(err, "", "domain %u", v->domid);
    if (control(v, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY) == 0)
        return lost(v, err, "another tool has switched it off");
    put_back(v, bits);
    xen_log_unsign(v->x, v->domid);
    v->log.on = false;
    is_theirs(v, true);
    errno = ESTALE;
    return err_set(err, "wait until xl migrate or xl remus of this VM is done",
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
    if (clean(v, &bits))
        return err_errno(err, "", "dirty log of domain %u", v->domid);
    if (!(bits[v->log.canary / 64] >> v->log.canary % 64 & 1))
        return stolen(v, bits, err);
    /* At once: killed before that, the log would be taken for another tool's. */
    if (set_canary(v))
        return lost(v, err, "it cannot be marked");
    bool fresh = bitmap_add(dirty, bits, &v->mem.ram);
    /* Xen 4.17 says success for a dying domain and reports nothing: this finds it out. */
    if (check_size(v, err))
        return -1;
    if (v->log.fresh)
        bitmap_or(dirty, &v->mem.ram);
    v->log.fresh = false;
    if (!fresh || map_new(v, dirty, err) == 0)
        return 0;
    v->tot_pages = MAP_ANEW; /* or that page would be none of what the next log begins with */
    return lost(v, err, "new memory cannot be mapped");
}
