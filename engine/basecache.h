/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BASECACHE_H
#define REMUS_BASECACHE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/compiler.h"

/**
 * Copies of pages as the backup holds them: the bases of delta coding and the test for "unchanged".
 * Direct-mapped by page frame: with at least as many slots as the VM has pages nothing is ever
 * evicted. Memory is taken from the kernel page by page as slots are first used.
 */
struct basecache {
    size_t slots;
    uint8_t *page;
    uint64_t *tag; /* (pfn + 1) * 2, + 1 for a page of zeroes, which has no copy; 0: empty */
};

/** At most `max_bytes` of copies; 0 gives a cache that holds nothing. -1 with errno=ENOMEM. */
int basecache_init(struct basecache *c, uint64_t vm_pages, size_t max_bytes) MUST_CHECK;
void basecache_free(struct basecache *c);

/** Forgets everything: a new session, whose backup holds nothing yet. */
void basecache_clear(struct basecache *c);

/** The copy of `pfn`, or NULL. Valid until the next put. */
const uint8_t *basecache_get(const struct basecache *c, uint64_t pfn);

/** Notes that the backup will hold `page` for `pfn` once the stream so far is applied. */
void basecache_put(struct basecache *c, uint64_t pfn, const uint8_t *page);
/** The same for a page of zeroes: costs no memory. */
void basecache_put_zero(struct basecache *c, uint64_t pfn);

#endif
