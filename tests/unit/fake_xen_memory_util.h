/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_FAKE_XEN_MEMORY_UTIL_H
#define REMUS_TESTS_FAKE_XEN_MEMORY_UTIL_H

#include <sys/mman.h>

#include "tests/unit/fake_xenstore_util.h"

/** The part of the fake Xen that is the domain's memory, and its dirty log. */
#define FAKE_PAGES 1000

static struct fake_memory {
    bool ram[FAKE_PAGES];
    bool logging;
    uint64_t log[(FAKE_PAGES + 63) / 64];
    unsigned maps; /* times that any of it was mapped */
    int map_error; /* mapping fails */
} fake_memory;

/** Pages [first, first + count) become memory, or cease to be. */
static inline void fake_ram(uint64_t first, uint64_t count, bool there)
{
    for (uint64_t pfn = first; pfn < first + count; pfn++) {
        fake.tot_pages += (uint64_t)there - (uint64_t)fake_memory.ram[pfn];
        fake_memory.ram[pfn] = there;
    }
}

/** The guest writes. */
static inline void fake_dirty(uint64_t pfn)
{
    if (fake_memory.logging)
        fake_memory.log[pfn / 64] |= 1ull << pfn % 64;
}

static inline int fake_page_types(struct xen_domctl *ctl)
{
    for (uint64_t i = 0; i < ctl->u.getpageframeinfo3.num; i++) {
        xen_pfn_t *type = &((xen_pfn_t *)ctl->u.getpageframeinfo3.array.p)[i];
        *type = fake_memory.ram[*type] ? XEN_DOMCTL_PFINFO_NOTAB : XEN_DOMCTL_PFINFO_XTAB;
    }
    return 0;
}

static inline void fake_memory_start(void)
{
    fake_memory = (struct fake_memory){0};
    fake.page_types = fake_page_types;
}

void *xenforeignmemory_map2(xenforeignmemory_handle *fmem, uint32_t dom, void *addr, int prot,
                            int flags, size_t pages, const xen_pfn_t arr[], int err[])
{
    (void)fmem;
    (void)dom;
    (void)prot;
    (void)err;
    fake_memory.maps++;
    if (fake_memory.map_error) { /* nothing at all is left there, as by the library */
        assert_int_equal(munmap(addr, pages * HV_PAGE_SIZE), 0);
        errno = fake_memory.map_error;
        return NULL;
    }
    uint8_t *at = mmap(addr, pages * HV_PAGE_SIZE, PROT_READ | PROT_WRITE,
                       flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(at, MAP_FAILED);
    for (size_t i = 0; i < pages; i++)
        at[i * HV_PAGE_SIZE] = (uint8_t)arr[i];
    return at;
}

/* ---- hypercalls and their buffers ---- */

void *xc__hypercall_buffer_alloc(xc_interface *xch, xc_hypercall_buffer_t *b, size_t size)
{
    (void)xch;
    return b->hbuf = calloc(1, size);
}

void xc__hypercall_buffer_free(xc_interface *xch, xc_hypercall_buffer_t *b)
{
    (void)xch;
    free(b->hbuf);
}

void *xc__hypercall_buffer_alloc_pages(xc_interface *xch, xc_hypercall_buffer_t *b, int nr_pages)
{
    return xc__hypercall_buffer_alloc(xch, b, (size_t)nr_pages * XC_PAGE_SIZE);
}

void xc__hypercall_buffer_free_pages(xc_interface *xch, xc_hypercall_buffer_t *b, int nr_pages)
{
    (void)nr_pages;
    xc__hypercall_buffer_free(xch, b);
}

/** By us, or by another tool. */
int xc_shadow_control(xc_interface *xch, uint32_t domid, unsigned sop, unsigned *mb, unsigned mode)
{
    bool on = sop == XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY;

    (void)xch;
    (void)domid;
    (void)mb;
    (void)mode;
    if (on && fake_memory.logging) {
        errno = EINVAL;
        return -1;
    }
    fake_memory.logging = on;
    memset(fake_memory.log, 0, sizeof(fake_memory.log));
    return 0;
}

long long xc_logdirty_control(xc_interface *xch, uint32_t domid, unsigned sop,
                              xc_hypercall_buffer_t *dirty_bitmap, unsigned long pages,
                              unsigned mode, xc_shadow_op_stats_t *stats)
{
    (void)xch;
    (void)domid;
    (void)mode;
    (void)stats;
    assert_true(pages <= FAKE_PAGES);
    memcpy(dirty_bitmap->hbuf, fake_memory.log, (pages + 63) / 64 * 8);
    if (sop == XEN_DOMCTL_SHADOW_OP_CLEAN)
        memset(fake_memory.log, 0, sizeof(fake_memory.log));
    return (long long)pages;
}

xendevicemodel_handle *xendevicemodel_open(struct xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    return (xendevicemodel_handle *)&fake_memory;
}

int xendevicemodel_close(xendevicemodel_handle *dmod)
{
    (void)dmod;
    return 0;
}

int xendevicemodel_modified_memory(xendevicemodel_handle *dmod, domid_t domid, uint64_t first_pfn,
                                   uint32_t nr)
{
    (void)dmod;
    (void)domid;
    for (uint32_t i = 0; i < nr; i++)
        fake_dirty(first_pfn + i);
    return 0;
}

#endif
