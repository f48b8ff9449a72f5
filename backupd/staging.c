/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/staging.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/base/fault.h"
#include "engine/hv/hv.h"

int staging_init(struct staging *s, size_t limit_pages)
{
    size_t chunks = (limit_pages + STAGING_CHUNK_PAGES - 1) / STAGING_CHUNK_PAGES;
    *s = (struct staging){.limit = limit_pages};
    s->chunk = calloc(chunks + 1, sizeof(*s->chunk));
    s->pfn = calloc(limit_pages + 1, sizeof(*s->pfn));
    if (s->chunk && s->pfn)
        return 0;
    staging_free(s);
    errno = ENOMEM;
    return -1;
}

void staging_free(struct staging *s)
{
    for (size_t i = 0; i < s->chunks; i++)
        free(s->chunk[i]);
    free(s->chunk);
    free(s->pfn);
    *s = (struct staging){0};
}

static int add_chunk(struct staging *s)
{
    void *mem =
        FAULT(backup_stage_alloc) ? NULL : malloc((size_t)STAGING_CHUNK_PAGES * HV_PAGE_SIZE);
    if (!mem) {
        errno = ENOMEM;
        return -1;
    }
    s->chunk[s->chunks++] = mem;
    return 0;
}

uint8_t *staging_next(struct staging *s, uint64_t pfn)
{
    if (s->count == s->limit) {
        errno = ENOSPC;
        return NULL;
    }
    if (s->count == s->chunks * STAGING_CHUNK_PAGES && add_chunk(s) < 0)
        return NULL;
    size_t i = s->count++;
    s->pfn[i] = pfn;
    return s->chunk[i / STAGING_CHUNK_PAGES] + i % STAGING_CHUNK_PAGES * HV_PAGE_SIZE;
}

const uint8_t *staging_page(const struct staging *s, size_t index)
{
    return s->chunk[index / STAGING_CHUNK_PAGES] + index % STAGING_CHUNK_PAGES * HV_PAGE_SIZE;
}

void staging_reset(struct staging *s)
{
    size_t used = (s->count + STAGING_CHUNK_PAGES - 1) / STAGING_CHUNK_PAGES;
    /* Half the surplus at a time, so that a burst does not cost a page fault storm every epoch. */
    size_t keep = used + (s->chunks - used) / 2;
    while (s->chunks > keep && s->chunks > 1)
        free(s->chunk[--s->chunks]);
    s->count = 0;
}

size_t staging_bytes(const struct staging *s)
{
    return s->chunks * STAGING_CHUNK_PAGES * HV_PAGE_SIZE;
}
