/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/basecache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/hv/hv.h"

int basecache_init(struct basecache *c, uint64_t vm_pages, size_t max_bytes)
{
    *c = (struct basecache){0};
    size_t slots = max_bytes / HV_PAGE_SIZE;
    if (slots > vm_pages)
        slots = (size_t)vm_pages;
    if (slots == 0)
        return 0;
    void *mem = mmap(NULL, slots * HV_PAGE_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t *tag = calloc(slots, sizeof(*tag));
    if (mem == MAP_FAILED || !tag) {
        if (mem != MAP_FAILED)
            munmap(mem, slots * HV_PAGE_SIZE);
        free(tag);
        errno = ENOMEM;
        return -1;
    }
    /* Fewer faults while a first copy fills it; a kernel without huge pages refuses: no matter. */
    (void)madvise(mem, slots * HV_PAGE_SIZE, MADV_HUGEPAGE);
    *c = (struct basecache){.slots = slots, .page = mem, .tag = tag};
    return 0;
}

void basecache_free(struct basecache *c)
{
    if (c->page)
        munmap(c->page, c->slots * HV_PAGE_SIZE);
    free(c->tag);
    *c = (struct basecache){0};
}

void basecache_clear(struct basecache *c)
{
    if (c->slots)
        memset(c->tag, 0, c->slots * sizeof(*c->tag));
}

const uint8_t *basecache_get(const struct basecache *c, uint64_t pfn)
{
    static const uint8_t zeroes[HV_PAGE_SIZE];

    if (c->slots == 0 || c->tag[pfn % c->slots] >> 1 != pfn + 1)
        return NULL;
    return c->tag[pfn % c->slots] & 1 ? zeroes : c->page + pfn % c->slots * HV_PAGE_SIZE;
}

void basecache_put(struct basecache *c, uint64_t pfn, const uint8_t *page)
{
    if (c->slots == 0)
        return;
    memcpy(c->page + pfn % c->slots * HV_PAGE_SIZE, page, HV_PAGE_SIZE);
    c->tag[pfn % c->slots] = (pfn + 1) << 1;
}

void basecache_put_zero(struct basecache *c, uint64_t pfn)
{
    if (c->slots > 0)
        c->tag[pfn % c->slots] = (pfn + 1) << 1 | 1;
}
