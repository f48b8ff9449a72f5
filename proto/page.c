/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/page.h"
#include "proto/page_impl.h"

#include <lz4.h>

/** LZ4 has to save a sixteenth, or the decoder's time is not worth it. */
#define CODED_MAX (WIRE_PAGE_SIZE - WIRE_PAGE_SIZE / 16)

/** A delta this short is taken without asking whether LZ4 would be shorter still. */
#define DELTA_SHORT 512u

/** Up to this many changed octets the delta is tried first, because it is likely short. */
#define DELTA_FIRST 1024u

/** With more changed octets than this, coding a delta takes longer than sending what it saves. */
#define DELTA_WORTH 2048u

/** LZ4 clears it in each call; it is only too big for a stack frame. */
static __thread LZ4_stream_t lz4_state;

/** The shortest coding so far. */
struct best {
    enum page_choice choice;
    uint32_t len; /* what the next one has to stay below */
    const uint8_t *data;
};

static void try_delta(struct best *b, const uint8_t *page, const uint8_t *base,
                      const struct page_diff *diff, uint8_t *out)
{
    uint32_t len;

    if (diff->count >= b->len)
        return;
    len = page_delta_encode(page, base, diff, out, b->len - 1);
    if (len)
        *b = (struct best){PAGE_DELTA, len, out};
}

static void try_lz4(struct best *b, const uint8_t *page, uint32_t features, uint8_t *out)
{
    if (!(features & WIRE_FEATURE_LZ4))
        return;

    int n = LZ4_compress_fast_extState(&lz4_state, (const char *)page, (char *)out,
                                       (int)WIRE_PAGE_SIZE, (int)b->len - 1, 1);

    if (n > 0)
        *b = (struct best){PAGE_LZ4, (uint32_t)n, out};
}

/** Returns false when page and base are equal. */
static bool encode_changed(const uint8_t *page, const uint8_t *base, uint32_t features,
                           struct best *b, uint8_t *out, uint8_t *scratch)
{
    struct page_diff diff;

    /* libc compares with the widest vectors that the CPU has. */
    if (memcmp(page, base, WIRE_PAGE_SIZE) == 0)
        return false;
    page_diff_make(page, base, &diff);
    if (!(features & WIRE_FEATURE_DELTA) || diff.count > DELTA_WORTH) {
        try_lz4(b, page, features, out);
        return true;
    }
    if (diff.count <= DELTA_FIRST)
        try_delta(b, page, base, &diff, out);
    if (b->choice != PAGE_DELTA || b->len > DELTA_SHORT)
        try_lz4(b, page, features, scratch);
    if (diff.count > DELTA_FIRST)
        try_delta(b, page, base, &diff, out);
    return true;
}

enum page_choice page_encode(const uint8_t *page, const uint8_t *base, uint32_t features,
                             uint8_t *out, uint32_t *ret_len)
{
    struct best b = {PAGE_RAW, CODED_MAX + 1, page};
    uint8_t scratch[CODED_MAX];

    *ret_len = 0;
    if (page_is_zero(page))
        return base && page_is_zero(base) ? PAGE_UNCHANGED : PAGE_ZERO;
    if (!base)
        try_lz4(&b, page, features, out);
    else if (!encode_changed(page, base, features, &b, out, scratch))
        return PAGE_UNCHANGED;

    *ret_len = b.choice == PAGE_RAW ? WIRE_PAGE_SIZE : b.len;
    if (b.data != out)
        memcpy(out, b.data, *ret_len);
    return b.choice;
}

static bool decode_raw(const uint8_t *in, uint32_t len, uint8_t *out)
{
    if (len != WIRE_PAGE_SIZE)
        return false;
    memcpy(out, in, WIRE_PAGE_SIZE);
    return true;
}

static bool decode_lz4(const uint8_t *in, uint32_t len, uint8_t *out)
{
    if (len >= WIRE_PAGE_SIZE)
        return false;
    return LZ4_decompress_safe((const char *)in, (char *)out, (int)len, (int)WIRE_PAGE_SIZE) ==
           (int)WIRE_PAGE_SIZE;
}

static bool decode_delta(const uint8_t *in, uint32_t len, const uint8_t *base, uint8_t *out)
{
    if (!base || len >= WIRE_PAGE_SIZE)
        return false;
    if (base != out)
        memcpy(out, base, WIRE_PAGE_SIZE);
    return page_delta_apply(in, len, out);
}

bool page_decode(uint8_t coding, const uint8_t *in, uint32_t len, const uint8_t *base, uint8_t *out)
{
    switch (coding) {
    case WIRE_PAGE_ZERO:
        memset(out, 0, WIRE_PAGE_SIZE);
        return len == 0;
    case WIRE_PAGE_RAW:
        return decode_raw(in, len, out);
    case WIRE_PAGE_LZ4:
        return decode_lz4(in, len, out);
    case WIRE_PAGE_DELTA:
        return decode_delta(in, len, base, out);
    default:
        return false;
    }
}
