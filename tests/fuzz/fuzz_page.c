/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdint.h>
#include <stdlib.h>

#include "proto/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Whatever is decoded in place is decoded equally from a copy. */
static void decode_both_ways(uint8_t coding, const uint8_t *in, uint32_t len)
{
    static uint8_t base[WIRE_PAGE_SIZE], apart[WIRE_PAGE_SIZE], in_place[WIRE_PAGE_SIZE];

    for (uint32_t i = 0; i < WIRE_PAGE_SIZE; i++)
        base[i] = in_place[i] = (uint8_t)(i >> 4);

    bool good = page_decode(coding, in, len, base, apart);

    if (page_decode(coding, in, len, in_place, in_place) != good)
        abort();
    if (good && memcmp(apart, in_place, WIRE_PAGE_SIZE) != 0)
        abort();
}

/** Codes a page made of the input against a base made of it, and wants it back. */
static void there_and_back(uint32_t features, const uint8_t *in, uint32_t len)
{
    static uint8_t page[WIRE_PAGE_SIZE], base[WIRE_PAGE_SIZE], out[WIRE_PAGE_SIZE];
    uint32_t half = len / 2, coded;

    memset(base, 0, sizeof(base));
    memcpy(base, in, half);
    memcpy(page, base, sizeof(page));
    for (uint32_t i = half; i < len; i++)
        page[((i - half) * 67) % WIRE_PAGE_SIZE] ^= in[i];

    int choice = page_encode(page, base, features, out, &coded);

    if (choice == PAGE_UNCHANGED) {
        if (memcmp(page, base, sizeof(page)) != 0)
            abort();
        return;
    }
    if (coded > WIRE_PAGE_SIZE || !page_decode((uint8_t)choice, out, coded, base, base) ||
        memcmp(page, base, sizeof(page)) != 0)
        abort();
}

/** First octet: a coding (0..4) to decode the rest by, or 0x80 and features to code it with. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 2 * WIRE_PAGE_SIZE)
        return 0;
    if (data[0] & 0x80)
        there_and_back(data[0] & WIRE_FEATURES_ALL, data + 1, (uint32_t)size - 1);
    else
        decode_both_ways(data[0] % 5, data + 1, (uint32_t)size - 1);
    return 0;
}
