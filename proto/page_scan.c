/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/page_impl.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/** Octets looked at per step: one word of a page_diff. */
#define BLOCK 64u

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/** One bit per octet of x[8], set where it is not zero. */
static uint64_t octets_set(const uint8_t *x)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < 8; i++)
        bits |= (uint64_t)(x[i] != 0) << i;
    return bits;
}

void page_diff_make_portable(const uint8_t *page, const uint8_t *base, struct page_diff *ret)
{
    ret->count = 0;
    for (uint32_t w = 0; w < PAGE_DIFF_WORDS; w++) {
        ret->word[w] = 0;
        for (uint32_t i = 0; i < 8; i++) {
            uint64_t x = load64(page + 64 * w + 8 * i) ^ load64(base + 64 * w + 8 * i);
            uint8_t octets[8];

            if (!x)
                continue;
            memcpy(octets, &x, sizeof(octets)); /* in the order of addresses on any machine */
            ret->word[w] |= octets_set(octets) << (8 * i);
        }
        ret->count += (uint32_t)__builtin_popcountll(ret->word[w]);
    }
}

#ifdef __SSE2__

static inline __m128i load16(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline bool block_is_zero(const uint8_t *p)
{
    __m128i any = _mm_or_si128(_mm_or_si128(load16(p), load16(p + 16)),
                               _mm_or_si128(load16(p + 32), load16(p + 48)));

    return _mm_movemask_epi8(_mm_cmpeq_epi8(any, _mm_setzero_si128())) == 0xffff;
}

/** -1 in each of the sixteen octets that are equal. */
static inline __m128i equal16(const uint8_t *a, const uint8_t *b)
{
    return _mm_cmpeq_epi8(load16(a), load16(b));
}

/** The sum of all lanes of equal16 counts the equal octets: no population count is needed. */
void page_diff_make(const uint8_t *page, const uint8_t *base, struct page_diff *ret)
{
    __m128i total = _mm_setzero_si128();
    const __m128i zero = _mm_setzero_si128();

    for (uint32_t w = 0; w < PAGE_DIFF_WORDS; w++) {
        const uint8_t *a = page + 64 * w, *b = base + 64 * w;
        __m128i e0 = equal16(a, b), e1 = equal16(a + 16, b + 16);
        __m128i e2 = equal16(a + 32, b + 32), e3 = equal16(a + 48, b + 48);
        uint64_t equal = (uint64_t)(uint32_t)_mm_movemask_epi8(e0) |
                         (uint64_t)(uint32_t)_mm_movemask_epi8(e1) << 16 |
                         (uint64_t)(uint32_t)_mm_movemask_epi8(e2) << 32 |
                         (uint64_t)(uint32_t)_mm_movemask_epi8(e3) << 48;
        __m128i sum = _mm_add_epi8(_mm_add_epi8(e0, e1), _mm_add_epi8(e2, e3));

        ret->word[w] = ~equal;
        total = _mm_add_epi64(total, _mm_sad_epu8(_mm_sub_epi8(zero, sum), zero));
    }
    total = _mm_add_epi64(total, _mm_unpackhi_epi64(total, total));
    ret->count = WIRE_PAGE_SIZE - (uint32_t)_mm_cvtsi128_si32(total);
}

#else

static inline bool block_is_zero(const uint8_t *p)
{
    uint64_t any = 0;

    for (uint32_t i = 0; i < BLOCK; i += 8)
        any |= load64(p + i);
    return any == 0;
}

void page_diff_make(const uint8_t *page, const uint8_t *base, struct page_diff *ret)
{
    page_diff_make_portable(page, base, ret);
}

#endif

bool page_is_zero(const uint8_t *page)
{
    for (uint32_t at = 0; at < WIRE_PAGE_SIZE; at += BLOCK) {
        if (!block_is_zero(page + at))
            return false;
    }
    return true;
}
