/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BITMAP_H
#define REMUS_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/compiler.h"

/**
 * Bit i of word i/64 is page frame i: the layout of Xen's dirty log on a little-endian host. A
 * guest's few dirty pages lie far apart in its address space, and they are looked for while it is
 * stopped: the words of a group without a mark are all clear. Bits may be cleared in `word`
 * directly, but not set.
 */
struct bitmap {
    uint64_t *word;
    uint64_t *mark; /* a bit for each group of words */
    size_t nbits;
};

/** All bits clear. -1 with errno=ENOMEM. */
int bitmap_init(struct bitmap *b, size_t nbits) MUST_CHECK;
void bitmap_free(struct bitmap *b);

size_t bitmap_words(const struct bitmap *b);
void bitmap_zero(struct bitmap *b);
/** `bit` must be below nbits, here and in bitmap_test: callers check what a peer sent. */
void bitmap_set(struct bitmap *b, size_t bit);
void bitmap_set_all(struct bitmap *b);
bool bitmap_test(const struct bitmap *b, size_t bit);
size_t bitmap_count(const struct bitmap *b);

/** dst |= src; both must have the same size. */
void bitmap_or(struct bitmap *dst, const struct bitmap *src);

/** Adds `bits` to word i; those beyond the last bit of the map are left out. */
void bitmap_add_word(struct bitmap *b, size_t i, uint64_t bits);

/**
 * dst |= `src`, the words of a bitmap of the same size, aligned to 16 octets. Whether it has bits
 * that `known` has not; bits beyond the last one count as such and are left out.
 */
bool bitmap_add(struct bitmap *dst, const uint64_t *src, const struct bitmap *known);

/**
 * Lists set bits from *from on, at most `cap`, into `out`; returns how many and moves *from behind
 * the last one listed (to nbits when none is left).
 */
size_t bitmap_list(const struct bitmap *b, size_t *from, uint64_t *out, size_t cap);

#endif
