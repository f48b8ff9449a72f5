/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_PAGE_H
#define REMUS_PAGE_H

#include "proto/wire.h"

/** What page_encode chose; the first is not a wire coding: the page need not be sent. */
enum page_choice {
    PAGE_UNCHANGED = -1,
    PAGE_ZERO = WIRE_PAGE_ZERO,
    PAGE_RAW = WIRE_PAGE_RAW,
    PAGE_LZ4 = WIRE_PAGE_LZ4,
    PAGE_DELTA = WIRE_PAGE_DELTA,
};

/**
 * Codes one page as the cheapest of unchanged, zero, XOR delta, LZ4, raw. `base` is the page the
 * backup holds, NULL when that is not known. `features` limits the choice (bits of
 * WIRE_FEATURES_ALL). out has room for WIRE_PAGE_SIZE octets, may not overlap the pages, and may be
 * written beyond *ret_len, which is 0..WIRE_PAGE_SIZE. Cannot fail.
 * Cheapest is the fewest octets, with one regard for time: no second coding is tried for a page
 * that a short delta already takes care of, nor a delta for one that changed in more than half.
 */
enum page_choice page_encode(const uint8_t *page, const uint8_t *base, uint32_t features,
                             uint8_t *out, uint32_t *ret_len);

/**
 * Exact-size decode into out[WIRE_PAGE_SIZE] of hostile input. `base` is needed for DELTA only and
 * may be equal to `out` (in-place). false: malformed; `out` is then unspecified. Never reads or
 * writes out of bounds.
 */
bool page_decode(uint8_t coding, const uint8_t *in, uint32_t len, const uint8_t *base,
                 uint8_t *out) WIRE_MUST_CHECK;

#endif
