/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>
#include <lz4.h>

#include "proto/page.h"
#include "proto/page_impl.h"

#define SIZE WIRE_PAGE_SIZE

static uint8_t page[SIZE], base[SIZE], coded[SIZE];

/* Two pages with nothing mapped before and behind: an access out of bounds ends the test. */
static uint8_t *input, *output;

static uint8_t *fenced_page(void)
{
    uint8_t *p = mmap(NULL, 3 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(p != MAP_FAILED);
    assert_int_equal(mprotect(p + SIZE, SIZE, PROT_READ | PROT_WRITE), 0);
    return p + SIZE;
}

static int map_pages(void **state)
{
    (void)state;
    input = fenced_page();
    output = fenced_page();
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    memset(base, 0x55, sizeof(base));
    memcpy(page, base, sizeof(page));
    return 0;
}

/* The input ends where its mapping ends. */
static bool decode(uint8_t coding, const uint8_t *in, uint32_t len)
{
    uint8_t *at = input + SIZE - len;

    if (len)
        memcpy(at, in, len);
    memcpy(output, base, SIZE);
    return page_decode(coding, at, len, output, output);
}

static uint32_t encode(uint32_t cap)
{
    struct page_diff diff;

    memcpy(input, page, SIZE);
    memcpy(output, base, SIZE);
    page_diff_make(input, output, &diff);
    return page_delta_encode(input, output, &diff, coded, cap);
}

static void flip(uint32_t from, uint32_t n)
{
    for (uint32_t i = from; i < from + n; i++)
        page[i] ^= 0x0f;
}

static void expect_head(uint32_t len, const uint8_t *head, uint32_t head_len)
{
    assert_int_equal(encode(SIZE), len);
    assert_memory_equal(coded, head, head_len);
    assert_true(decode(PAGE_DELTA, coded, len));
    assert_memory_equal(output, page, SIZE);
}

static void segments_have_the_documented_octets(void **state)
{
    static const uint8_t first[] = {0, 1, 15}, far[] = {0x80, 1, 1, 15};
    static const uint8_t last[] = {0xff, 0x1f, 1, 15}, middle[] = {16, 0xe0, 0x1f, 15};

    (void)state;
    flip(0, 1);
    expect_head(3, first, sizeof(first));
    fresh(NULL);
    flip(128, 1);
    expect_head(4, far, sizeof(far));
    fresh(NULL);
    flip(SIZE - 1, 1);
    expect_head(4, last, sizeof(last));
    fresh(NULL);
    flip(16, SIZE - 32);
    expect_head(3 + SIZE - 32, middle, sizeof(middle));
}

static void short_gaps_are_merged(void **state)
{
    static const uint8_t merged[] = {60, 6, 15, 15, 0, 0, 15, 15};
    static const uint8_t apart[] = {60, 2, 15, 15, 3, 2, 15, 15};

    (void)state;
    for (uint32_t from = 50; from < 70; from++) {
        uint8_t want[8];

        fresh(NULL);
        flip(from, 2);
        flip(from + 4, 2);
        memcpy(want, merged, 8);
        want[0] = (uint8_t)from;
        expect_head(8, want, 8);
        fresh(NULL);
        flip(from, 2);
        flip(from + 5, 2);
        memcpy(want, apart, 8);
        want[0] = (uint8_t)from;
        expect_head(8, want, 8);
    }
}

static void every_run_comes_back(void **state)
{
    static const uint32_t lengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000};

    (void)state;
    for (uint32_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
        for (uint32_t from = 0; from + lengths[k] <= SIZE;
             from += from < 300 || from > 3700 ? 1 : 61) {
            fresh(NULL);
            flip(from, lengths[k]);
            uint32_t len = encode(SIZE);

            assert_true(len > lengths[k] && decode(PAGE_DELTA, coded, len));
            assert_memory_equal(output, page, SIZE);
        }
    }
}

static void encoder_stays_within_its_room(void **state)
{
    (void)state;
    for (uint32_t i = 0; i + 23 < SIZE; i += 23)
        flip(i, 1 + i % 19);
    uint32_t full = encode(SIZE);

    assert_true(full > 0);
    for (uint32_t cap = 0; cap < full + 4; cap++) {
        memset(coded, 0xee, sizeof(coded));
        uint32_t len = encode(cap);

        assert_true(len == 0 || len == full);
        assert_true(len != 0 || cap < full + 4);
        for (uint32_t i = cap; i < SIZE; i++)
            assert_int_equal(coded[i], 0xee);
    }
    assert_int_equal(encode(full + 4), full);
}

struct bad {
    const char *why;
    uint32_t len;
    uint8_t in[16];
};

static void malformed_deltas_are_refused(void **state)
{
    static const struct bad cases[] = {
        {"empty", 0, {0}},
        {"no length", 1, {0}},
        {"literal of nothing", 2, {0, 0}},
        {"no literal", 2, {0, 1}},
        {"short literal", 4, {0, 3, 1, 1}},
        {"varint cut", 1, {0x80}},
        {"length cut", 2, {0, 0x81}},
        {"skip not minimal", 4, {0x80, 0, 1, 9}},
        {"length not minimal", 4, {0, 0x81, 0, 9}},
        {"three octets of varint", 6, {0x80, 0x80, 1, 1, 9, 9}},
        {"begins past the end", 4, {0x80, 0x20, 1, 9}},
        {"ends past the end", 5, {0xff, 0x1f, 2, 9, 9}},
        {"second ends past the end", 7, {0xfe, 0x1f, 1, 9, 1, 1, 9}},
        {"goes on behind the end", 12, {0xfe, 0x1f, 1, 9, 0, 1, 9, 0, 1, 9, 0, 0}},
        {"largest skip", 4, {0xff, 0x7f, 1, 9}},
        {"trailing octet", 4, {0, 1, 9, 0}},
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (decode(PAGE_DELTA, cases[i].in, cases[i].len))
            fail_msg("taken: %s", cases[i].why);
    }
    assert_false(page_decode(PAGE_DELTA, (const uint8_t[]){0, 1, 9}, 3, NULL, output));
}

static void last_octets_can_be_reached(void **state)
{
    static const uint8_t end[] = {0xfe, 0x1f, 2, 9, 9}, two[] = {0xfe, 0x1f, 1, 9, 0, 1, 9};

    (void)state;
    assert_true(decode(PAGE_DELTA, end, sizeof(end)));
    assert_int_equal(output[SIZE - 1], 0x55 ^ 9);
    assert_int_equal(output[SIZE - 2], 0x55 ^ 9);
    assert_int_equal(output[SIZE - 3], 0x55);
    assert_true(decode(PAGE_DELTA, two, sizeof(two)));
    assert_int_equal(output[SIZE - 1], 0x55 ^ 9);
}

static void sizes_must_be_exact(void **state)
{
    static uint8_t big[SIZE + 1];
    uint8_t packed[64];

    (void)state;
    assert_true(decode(PAGE_RAW, base, SIZE));
    assert_false(decode(PAGE_RAW, base, SIZE - 1));
    assert_false(page_decode(PAGE_RAW, big, SIZE + 1, NULL, output));
    assert_true(decode(PAGE_ZERO, NULL, 0));
    assert_false(decode(PAGE_ZERO, base, 1));
    assert_false(decode(PAGE_LZ4, NULL, 0));
    assert_false(page_decode(PAGE_LZ4, big, SIZE, NULL, output));
    assert_false(page_decode(PAGE_DELTA, big, SIZE, base, output));
    assert_false(decode(4, base, SIZE));
    assert_false(decode(255, NULL, 0));
    for (int n = (int)SIZE - 1; n <= (int)SIZE + 1; n++) {
        int len = LZ4_compress_default((const char *)big, (char *)packed, n, sizeof(packed));

        assert_int_equal(decode(PAGE_LZ4, packed, (uint32_t)len), n == (int)SIZE);
        assert_false(decode(PAGE_LZ4, packed, (uint32_t)len - 1));
    }
}

/* Legal segments, but more of them than a page of raw octets. */
static void delta_is_shorter_than_a_page(void **state)
{
    static uint8_t segments[SIZE + 2];

    (void)state;
    for (uint32_t i = 0; i < sizeof(segments); i++)
        segments[i] = i % 3 == 1;
    assert_true(page_decode(PAGE_DELTA, segments, SIZE - 1, base, output));
    assert_false(page_decode(PAGE_DELTA, segments, SIZE + 2, base, output));
}

/* Coded pages with a few octets changed, cut anywhere: refused or decoded, never out of bounds. */
static void damaged_input_stays_in_bounds(void **state)
{
    uint64_t x = 88172645463325252ull;

    (void)state;
    for (uint32_t i = 0; i < SIZE; i++)
        page[i] = i % 97 < 40 ? (uint8_t)(i / 7) : 0x55;
    for (int round = 0; round < 20000; round++) {
        uint32_t features = round % 2 ? WIRE_FEATURE_LZ4 : WIRE_FEATURE_DELTA, len;
        int choice = page_encode(page, base, features, coded, &len);

        assert_true(choice == PAGE_LZ4 || choice == PAGE_DELTA);
        for (int k = 0; k < 1 + round % 3; k++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            coded[(x >> 8) % len] = (uint8_t)x;
        }
        if (x % 5 == 0)
            len = (uint32_t)((x >> 20) % len);
        (void)!decode((uint8_t)choice, coded, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(segments_have_the_documented_octets, fresh),
        cmocka_unit_test_setup(short_gaps_are_merged, fresh),
        cmocka_unit_test_setup(every_run_comes_back, fresh),
        cmocka_unit_test_setup(encoder_stays_within_its_room, fresh),
        cmocka_unit_test_setup(malformed_deltas_are_refused, fresh),
        cmocka_unit_test_setup(last_octets_can_be_reached, fresh),
        cmocka_unit_test_setup(sizes_must_be_exact, fresh),
        cmocka_unit_test_setup(delta_is_shorter_than_a_page, fresh),
        cmocka_unit_test_setup(damaged_input_stays_in_bounds, fresh),
    };

    return cmocka_run_group_tests(tests, map_pages, NULL);
}
