/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BITMAP_H
#define REMUS_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/compiler.h"

/** Bit i of word i/64 is page frame i: the layout of Xen's dirty log on a little-endian host. */
struct bitmap {
    uint64_t *word;
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

/** The bits of BITMAP_GROUP words in one: 0 when none is set. For stepping over what is empty. */
#define BITMAP_GROUP 8
static inline uint64_t bitmap_group(const uint64_t *w)
{
    return w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7];
}

/**
 * Lists set bits from *from on, at most `cap`, into `out`; returns how many and moves *from behind
 * the last one listed (to nbits when none is left). Skips clean words in groups: this runs while
 * the VM is stopped.
 */
size_t bitmap_list(const struct bitmap *b, size_t *from, uint64_t *out, size_t cap);

#endif
