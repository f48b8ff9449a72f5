/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/hv/xen/xen_impl.h"

#define TYPES_STEP 1024  /* the most that Xen answers at once */
#define MAP_STEP   65536 /* pages in one mapping */

/* Address space that nothing else is put into. */
static void *reserve(void *at, uint64_t pages, int flags)
{
    return mmap(at, pages * HV_PAGE_SIZE, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

int xen_mem_init(struct xen_mem *m, uint64_t pages, int prot, struct err *err)
{
    *m = (struct xen_mem){.pages = pages, .prot = prot};
    void *base = reserve(NULL, pages, 0);
    if (base == MAP_FAILED)
        return err_errno(err, "", "address space for %llu pages", (unsigned long long)pages);
    m->base = base;
    if (bitmap_init(&m->ram, pages) == 0)
        return 0;
    xen_mem_free(m);
    errno = ENOMEM;
    return err_errno(err, "", "map of %llu pages", (unsigned long long)pages);
}

void xen_mem_free(struct xen_mem *m)
{
    if (m->base)
        munmap(m->base, m->pages * HV_PAGE_SIZE);
    bitmap_free(&m->ram);
    *m = (struct xen_mem){0};
}

static int map_step(const struct xen_hv *x, uint32_t domid, struct xen_mem *m, uint64_t first,
                    size_t count)
{
    xen_pfn_t *pfn = malloc(count * sizeof(*pfn));
    void *to = m->base + first * HV_PAGE_SIZE;

    if (!pfn)
        return -1;
    for (size_t i = 0; i < count; i++)
        pfn[i] = first + i;
    /* Without a place for single errors it is all or nothing. */
    void *at = xenforeignmemory_map2(x->fmem, domid, to, m->prot, MAP_FIXED, count, pfn, NULL);
    int saved = errno;
    if (!at) /* the library has unmapped all of it */
        reserve(to, count, MAP_FIXED);
    free(pfn);
    errno = saved;
    if (!at)
        return -1;
    for (size_t i = 0; i < count; i++)
        bitmap_set(&m->ram, first + i);
    return 0;
}

int xen_mem_map(const struct xen_hv *x, uint32_t domid, struct xen_mem *m, uint64_t first,
                uint64_t count, struct err *err)
{
    while (count) {
        size_t n = count < MAP_STEP ? (size_t)count : MAP_STEP;
        if (map_step(x, domid, m, first, n))
            return err_errno(err, "", "cannot map %zu pages of domain %u from %llu on", n, domid,
                             (unsigned long long)first);
        first += n;
        count -= n;
    }
    return 0;
}

/* Types of `n` pages from `first` on, into an array that Xen can write to. */
static int page_types(const struct xen_hv *x, uint32_t domid, uint64_t first, size_t n,
                      xc_hypercall_buffer_t *buffer)
{
    DECLARE_HYPERCALL_BUFFER_ARGUMENT(buffer);
    struct xen_domctl ctl = {.cmd = XEN_DOMCTL_getpageframeinfo3, .domain = (domid_t)domid};
    xen_pfn_t *type = buffer->hbuf;

    for (size_t i = 0; i < n; i++)
        type[i] = first + i;
    ctl.u.getpageframeinfo3.num = n;
    set_xen_guest_handle(ctl.u.getpageframeinfo3.array, buffer);
    return xc_domctl(x->xch, &ctl);
}

static bool is_memory(xen_pfn_t type)
{
    return (type & XEN_DOMCTL_PFINFO_LTAB_MASK) == XEN_DOMCTL_PFINFO_NOTAB;
}

/* A run of memory that may go on in the next step. */
struct run {
    uint64_t first, count;
};

static int add_page(const struct xen_hv *x, uint32_t domid, struct xen_mem *m, struct run *run,
                    uint64_t pfn, struct err *err)
{
    if (run->count && run->first + run->count == pfn) {
        run->count++;
        return 0;
    }
    struct run full = *run;
    *run = (struct run){pfn, 1};
    return xen_mem_map(x, domid, m, full.first, full.count, err);
}

int xen_mem_map_all(const struct xen_hv *x, uint32_t domid, struct xen_mem *m, struct err *err)
{
    DECLARE_HYPERCALL_BUFFER(xen_pfn_t, type);
    struct run run = {0};
    int rc = -1;

    type = xc_hypercall_buffer_alloc(x->xch, type, TYPES_STEP * sizeof(*type));
    if (!type)
        return err_errno(err, "", "page types");
    for (uint64_t at = 0; at < m->pages; at += TYPES_STEP) {
        size_t n = m->pages - at < TYPES_STEP ? (size_t)(m->pages - at) : TYPES_STEP;
        if (page_types(x, domid, at, n, HYPERCALL_BUFFER(type))) {
            (void)err_errno(err, "", "page types of domain %u", domid);
            goto out;
        }
        for (size_t i = 0; i < n; i++) {
            if (is_memory(type[i]) && add_page(x, domid, m, &run, at + i, err))
                goto out;
        }
    }
    rc = xen_mem_map(x, domid, m, run.first, run.count, err);
out:;
    int saved = errno;
    xc_hypercall_buffer_free(x->xch, type);
    errno = saved;
    return rc;
}

int xen_mem_map_new(const struct xen_hv *x, uint32_t domid, struct xen_mem *m, uint64_t pfn,
                    struct err *err)
{
    DECLARE_HYPERCALL_BUFFER(xen_pfn_t, type);
    int rc = -1;

    type = xc_hypercall_buffer_alloc(x->xch, type, sizeof(*type));
    if (!type || page_types(x, domid, pfn, 1, HYPERCALL_BUFFER(type)))
        (void)err_errno(err, "", "type of page %llu", (unsigned long long)pfn);
    else
        rc = is_memory(type[0]) ? xen_mem_map(x, domid, m, pfn, 1, err) : 0;
    int saved = errno;
    xc_hypercall_buffer_free(x->xch, type);
    errno = saved;
    return rc;
}

int xen_mem_copy(const struct xen_mem *m, const uint64_t *pfn, size_t n, void *dst, struct err *err)
{
    uint8_t *to = dst;

    for (size_t i = 0; i < n; i++, to += HV_PAGE_SIZE) {
        if (pfn[i] >= m->pages) {
            errno = EINVAL;
            return err_set(err, "", "page %llu is out of range", (unsigned long long)pfn[i]);
        }
        if (bitmap_test(&m->ram, pfn[i]))
            memcpy(to, m->base + pfn[i] * HV_PAGE_SIZE, HV_PAGE_SIZE);
        else
            memset(to, 0, HV_PAGE_SIZE);
    }
    return 0;
}
