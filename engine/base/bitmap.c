/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/bitmap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64
/* Words to a mark. */
#define GROUP 32

/* Two words at once, as every x86-64 can; calloc aligns to as much. */
typedef uint64_t pair __attribute__((vector_size(16), may_alias));

static size_t div_up(size_t n, size_t by)
{
    return n / by + (n % by != 0);
}

size_t bitmap_words(const struct bitmap *b)
{
    return div_up(b->nbits, WORD_BITS);
}

/** The words of the bits, in whole groups, and those of the marks behind them. */
static size_t all_words(size_t nbits, size_t *ret_marks_at)
{
    size_t groups = div_up(nbits, WORD_BITS * GROUP);

    *ret_marks_at = groups * GROUP;
    return *ret_marks_at + div_up(groups, WORD_BITS);
}

int bitmap_init(struct bitmap *b, size_t nbits)
{
    size_t marks_at, words = all_words(nbits, &marks_at);

    *b = (struct bitmap){.word = calloc(words ? words : 1, sizeof(*b->word))};
    if (!b->word)
        return -1;
    b->mark = b->word + marks_at;
    b->nbits = nbits;
    return 0;
}

void bitmap_free(struct bitmap *b)
{
    free(b->word);
    *b = (struct bitmap){0};
}

void bitmap_zero(struct bitmap *b)
{
    size_t marks_at;

    memset(b->word, 0, all_words(b->nbits, &marks_at) * sizeof(*b->word));
}

static void mark_word(struct bitmap *b, size_t i)
{
    b->mark[i / GROUP / WORD_BITS] |= UINT64_C(1) << i / GROUP % WORD_BITS;
}

/** Which bits of word i there are. */
static uint64_t within(const struct bitmap *b, size_t i)
{
    bool cut = i == b->nbits / WORD_BITS;

    return cut ? (UINT64_C(1) << b->nbits % WORD_BITS) - 1 : ~UINT64_C(0);
}

void bitmap_add_word(struct bitmap *b, size_t i, uint64_t bits)
{
    assert(i < bitmap_words(b));
    b->word[i] |= bits & within(b, i);
    mark_word(b, i);
}

void bitmap_set(struct bitmap *b, size_t bit)
{
    assert(bit < b->nbits);
    b->word[bit / WORD_BITS] |= UINT64_C(1) << bit % WORD_BITS;
    mark_word(b, bit / WORD_BITS);
}

void bitmap_set_all(struct bitmap *b)
{
    for (size_t i = 0; i < bitmap_words(b); i++)
        bitmap_add_word(b, i, ~UINT64_C(0));
}

bool bitmap_test(const struct bitmap *b, size_t bit)
{
    assert(bit < b->nbits);
    return b->word[bit / WORD_BITS] >> bit % WORD_BITS & 1;
}

/** The first marked group from `g` on; one behind all when there is none. */
static size_t next_group(const struct bitmap *b, size_t g)
{
    size_t groups = div_up(b->nbits, WORD_BITS * GROUP);

    while (g < groups) {
        uint64_t left = b->mark[g / WORD_BITS] >> g % WORD_BITS;
        if (left)
            return g + (size_t)__builtin_ctzll(left);
        g += WORD_BITS - g % WORD_BITS;
    }
    return groups;
}

/** The first word from `i` on that has bits; bitmap_words() or more when there is none. */
static size_t next_word(const struct bitmap *b, size_t i)
{
    size_t words = bitmap_words(b);

    while (i < words) {
        if (i % GROUP == 0)
            i = next_group(b, i / GROUP) * GROUP;
        for (size_t end = i + GROUP - i % GROUP; i < end && i < words; i++) {
            if (b->word[i])
                return i;
        }
    }
    return i;
}

size_t bitmap_count(const struct bitmap *b)
{
    size_t count = 0, words = bitmap_words(b);

    for (size_t i = next_word(b, 0); i < words; i = next_word(b, i + 1))
        count += (size_t)__builtin_popcountll(b->word[i]);
    return count;
}

void bitmap_or(struct bitmap *dst, const struct bitmap *src)
{
    size_t words = bitmap_words(src);

    assert(dst->nbits == src->nbits);
    for (size_t i = next_word(src, 0); i < words; i = next_word(src, i + 1))
        bitmap_add_word(dst, i, src->word[i]);
}

static bool empty_group(const uint64_t *word)
{
    const pair *w = (const pair *)word;
    pair a = w[0] | w[1] | w[2] | w[3], b = w[4] | w[5] | w[6] | w[7];

    a |= w[8] | w[9] | w[10] | w[11];
    b |= w[12] | w[13] | w[14] | w[15];
    a |= b;
    return (a[0] | a[1]) == 0;
}

bool bitmap_add(struct bitmap *dst, const uint64_t *src, const struct bitmap *known)
{
    size_t words = bitmap_words(dst);
    uint64_t news = 0;

    assert(known->nbits == dst->nbits);
    for (size_t i = 0; i < words;) {
        bool whole = words - i >= GROUP;
        if (whole && empty_group(src + i)) {
            i += GROUP;
            continue;
        }
        for (size_t end = whole ? i + GROUP : words; i < end; i++) {
            if (!src[i])
                continue;
            news |= src[i] & ~known->word[i];
            bitmap_add_word(dst, i, src[i]);
        }
    }
    return news;
}

size_t bitmap_list(const struct bitmap *b, size_t *from, uint64_t *out, size_t cap)
{
    size_t words = bitmap_words(b);
    size_t found = 0;
    size_t at = *from;

    if (at >= b->nbits || cap == 0)
        return 0;
    size_t i = at / WORD_BITS;
    uint64_t left = b->word[i] & ~UINT64_C(0) << at % WORD_BITS;
    for (;;) {
        while (left) {
            out[found++] = i * WORD_BITS + (size_t)__builtin_ctzll(left);
            left &= left - 1;
            if (found == cap) {
                *from = out[found - 1] + 1;
                return found;
            }
        }
        i = next_word(b, i + 1);
        if (i >= words)
            break;
        left = b->word[i];
    }
    *from = b->nbits;
    return found;
}
