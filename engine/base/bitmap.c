/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/bitmap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64

static size_t words_for(size_t nbits)
{
    return nbits / WORD_BITS + (nbits % WORD_BITS != 0);
}

int bitmap_init(struct bitmap *b, size_t nbits)
{
    size_t words = words_for(nbits);

    b->word = calloc(words ? words : 1, sizeof(*b->word));
    b->nbits = b->word ? nbits : 0;
    return b->word ? 0 : -1;
}

void bitmap_free(struct bitmap *b)
{
    free(b->word);
    *b = (struct bitmap){0};
}

size_t bitmap_words(const struct bitmap *b)
{
    return words_for(b->nbits);
}

void bitmap_zero(struct bitmap *b)
{
    memset(b->word, 0, bitmap_words(b) * sizeof(*b->word));
}

void bitmap_set(struct bitmap *b, size_t bit)
{
    assert(bit < b->nbits);
    b->word[bit / WORD_BITS] |= UINT64_C(1) << bit % WORD_BITS;
}

void bitmap_set_all(struct bitmap *b)
{
    size_t tail = b->nbits % WORD_BITS;

    memset(b->word, 0xff, bitmap_words(b) * sizeof(*b->word));
    if (tail)
        b->word[b->nbits / WORD_BITS] = (UINT64_C(1) << tail) - 1;
}

bool bitmap_test(const struct bitmap *b, size_t bit)
{
    assert(bit < b->nbits);
    return b->word[bit / WORD_BITS] >> bit % WORD_BITS & 1;
}

size_t bitmap_count(const struct bitmap *b)
{
    size_t count = 0;

    for (size_t i = 0; i < bitmap_words(b); i++)
        count += (size_t)__builtin_popcountll(b->word[i]);
    return count;
}

void bitmap_or(struct bitmap *dst, const struct bitmap *src)
{
    assert(dst->nbits == src->nbits);
    for (size_t i = 0; i < bitmap_words(dst); i++)
        dst->word[i] |= src->word[i];
}

size_t bitmap_list(const struct bitmap *b, size_t *from, uint64_t *out, size_t cap)
{
    size_t words = bitmap_words(b);
    size_t found = 0;
    size_t at = *from;

    if (at >= b->nbits || cap == 0)
        return 0;
    uint64_t left = b->word[at / WORD_BITS] & ~UINT64_C(0) << at % WORD_BITS;
    for (size_t i = at / WORD_BITS;;) {
        while (left) {
            out[found++] = i * WORD_BITS + (size_t)__builtin_ctzll(left);
            left &= left - 1;
            if (found == cap) {
                *from = out[found - 1] + 1;
                return found;
            }
        }
        i++;
        while (words - i >= BITMAP_GROUP && !bitmap_group(b->word + i))
            i += BITMAP_GROUP;
        if (i >= words)
            break;
        left = b->word[i];
    }
    *from = b->nbits;
    return found;
}
