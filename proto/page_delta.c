/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/page_impl.h"

/**
 * A segment costs two octets or more, so unchanged gaps up to this are cheaper inside the literal
 * (where they are zero) than between two segments.
 */
#define MERGE_GAP 2u

/** A short literal is coded this wide; the next one overwrites what was too much. */
#define WIDE 16u

/** Two LEB128 octets reach further than a page is long. */
#define VARINT_MAX 2u

/** The diff bits of one word, with gaps of up to MERGE_GAP octets between two of them filled. */
static inline uint64_t merged_word(const struct page_diff *diff, uint32_t w)
{
    uint64_t m = diff->word[w];
    uint64_t before = w ? diff->word[w - 1] : 0;
    uint64_t after = w + 1 < PAGE_DIFF_WORDS ? diff->word[w + 1] : 0;
    uint64_t prev1 = m << 1 | before >> 63, prev2 = m << 2 | before >> 62;
    uint64_t next1 = m >> 1 | after << 63, next2 = m >> 2 | after << 62;

    return m | (prev1 & (next1 | next2)) | (prev2 & next1);
}

static inline uint8_t *varint_put(uint8_t *p, uint32_t v)
{
    if (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

static inline void xor8(uint8_t *dst, const uint8_t *a, const uint8_t *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    x ^= y;
    memcpy(dst, &x, sizeof(x));
}

static inline void xor_octets(uint8_t *dst, const uint8_t *a, const uint8_t *b, uint32_t n)
{
    uint32_t i = 0;

    for (; i + 8 <= n; i += 8)
        xor8(dst + i, a + i, b + i);
    for (; i < n; i++)
        dst[i] = a[i] ^ b[i];
}

/** A delta under construction. */
struct delta {
    const uint8_t *page, *base;
    uint8_t *p, *end;
    uint32_t done; /* octets of the page that are coded */
};

/** Adds the literal from octet `from` up to `to`; false: no room. */
static inline bool delta_add(struct delta *d, uint32_t from, uint32_t to)
{
    uint32_t n = to - from;

    if ((size_t)(d->end - d->p) < 2 * VARINT_MAX + n)
        return false;
    d->p = varint_put(d->p, from - d->done);
    d->p = varint_put(d->p, n);
    if (n <= WIDE && from <= WIRE_PAGE_SIZE - WIDE && d->end - d->p >= (ptrdiff_t)WIDE) {
        xor8(d->p, d->page + from, d->base + from);
        xor8(d->p + 8, d->page + from + 8, d->base + from + 8);
    } else {
        xor_octets(d->p, d->page + from, d->base + from, n);
    }
    d->p += n;
    d->done = to;
    return true;
}

/** Walks the places where the merged bits change: literals begin and end there, in turn. */
uint32_t page_delta_encode(const uint8_t *page, const uint8_t *base, const struct page_diff *diff,
                           uint8_t *out, uint32_t cap)
{
    struct delta d = {.page = page, .base = base, .p = out, .end = out + cap};
    uint32_t from = 0;
    uint64_t last = 0; /* top bit of the word before */

    for (uint32_t w = 0; w < PAGE_DIFF_WORDS; w++) {
        if (!diff->word[w] && !last)
            continue;

        uint64_t m = merged_word(diff, w);
        uint64_t edges = m ^ (m << 1 | last);
        bool inside = last;

        for (last = m >> 63; edges; edges &= edges - 1) {
            uint32_t at = 64 * w + (uint32_t)__builtin_ctzll(edges);

            if (inside && !delta_add(&d, from, at))
                return 0;
            from = at;
            inside = !inside;
        }
    }
    if (last && !delta_add(&d, from, WIRE_PAGE_SIZE))
        return 0;
    return (uint32_t)(d.p - out);
}

/** Reads one minimal LEB128 of at most two octets. */
static bool varint_get(const uint8_t **p, const uint8_t *end, uint32_t *ret)
{
    if (*p == end)
        return false;

    uint32_t v = *(*p)++;

    if (v >= 0x80) {
        if (*p == end)
            return false;

        uint32_t high = *(*p)++;

        if (high == 0 || high >= 0x80)
            return false;
        v = (v & 0x7f) | high << 7;
    }
    *ret = v;
    return true;
}

/** XORs the first `n` of the eight octets at `in` into those at `dst`. */
static inline void xor_short(uint8_t *dst, const uint8_t *in, uint32_t n)
{
    static const uint8_t keep[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint64_t x, mask;

    memcpy(&x, in, sizeof(x));
    memcpy(&mask, keep + 8 - n, sizeof(mask));
    x &= mask;
    xor8(dst, dst, (const uint8_t *)&x);
}

bool page_delta_apply(const uint8_t *in, uint32_t len, uint8_t *page)
{
    const uint8_t *p = in, *end = in + len;
    uint32_t at = 0;

    if (len == 0)
        return false;
    while (p < end) {
        uint32_t skip, n;

        if (!varint_get(&p, end, &skip) || !varint_get(&p, end, &n))
            return false;
        if (n == 0 || n > (size_t)(end - p) || skip + n > WIRE_PAGE_SIZE - at)
            return false;
        at += skip;
        if (n <= 8 && at <= WIRE_PAGE_SIZE - 8 && end - p >= 8)
            xor_short(page + at, p, n);
        else
            xor_octets(page + at, page + at, p, n);
        at += n;
        p += n;
    }
    return true;
}
