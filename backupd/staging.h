/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_STAGING_H
#define REMUS_STAGING_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/compiler.h"

/**
 * Whole pages of one epoch that is not yet sealed. Memory comes in chunks, is bounded, and is kept
 * for the next epoch up to what the last epochs needed.
 */
#define STAGING_CHUNK_PAGES 256

struct staging {
    uint8_t **chunk; /* STAGING_CHUNK_PAGES pages each */
    size_t chunks;   /* allocated */
    uint64_t *pfn;   /* of each staged page */
    size_t count, limit;
};

/** -1 with errno=ENOMEM. */
int staging_init(struct staging *s, size_t limit_pages) MUST_CHECK;
void staging_free(struct staging *s);

/** Memory for the next page, registered as `pfn`. NULL with errno: ENOSPC at the limit, ENOMEM. */
uint8_t *staging_next(struct staging *s, uint64_t pfn) MUST_CHECK;
const uint8_t *staging_page(const struct staging *s, size_t index);

/** Empties it; chunks that were not used in this epoch are given back. */
void staging_reset(struct staging *s);

/** Octets allocated. */
size_t staging_bytes(const struct staging *s);

#endif
