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
 * backup holds, NULL when that is not known. `features` limits the choice. out has room for
 * WIRE_PAGE_SIZE octets; *ret_len is 0..WIRE_PAGE_SIZE. Cannot fail.
 */
enum page_choice page_encode(const uint8_t *page, const uint8_t *base, uint32_t features, uint8_t *out,
                             uint32_t *ret_len);

/**
 * Exact-size decode into out[WIRE_PAGE_SIZE] of hostile input. `base` is needed for DELTA only and may
 * be equal to `out` (in-place). false: malformed; `out` is then unspecified. Never reads or writes out
 * of bounds.
 */
bool page_decode(uint8_t coding, const uint8_t *in, uint32_t len, const uint8_t *base,
                 uint8_t *out) WIRE_MUST_CHECK;

#endif
