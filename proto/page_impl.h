/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_PAGE_IMPL_H
#define REMUS_PAGE_IMPL_H

#include "proto/wire.h"

/** Shared by the page_*.c files and their tests only. */

#define PAGE_DIFF_WORDS (WIRE_PAGE_SIZE / 64)

/** Which octets of a page differ from its base: bit i of word[w] stands for octet 64 * w + i. */
struct page_diff {
    uint64_t word[PAGE_DIFF_WORDS];
    uint32_t count; /* bits set */
};

bool page_is_zero(const uint8_t *page);
void page_diff_make(const uint8_t *page, const uint8_t *base, struct page_diff *ret);

/** What page_diff_make does where there is no vector unit it knows; always built, so always tested.
 */
void page_diff_make_portable(const uint8_t *page, const uint8_t *base, struct page_diff *ret);

/**
 * Delta of the two pages that `diff` was made from, into out[cap]. Returns its length; 0 when it
 * needs more than `cap` octets or when nothing differs.
 */
uint32_t page_delta_encode(const uint8_t *page, const uint8_t *base, const struct page_diff *diff,
                           uint8_t *out, uint32_t cap);

/** Applies a hostile delta to `page` in place. false: malformed; `page` is then unspecified. */
bool page_delta_apply(const uint8_t *in, uint32_t len, uint8_t *page) WIRE_MUST_CHECK;

#endif
