/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/page.h"
#include "proto/page_impl.h"

#define SIZE WIRE_PAGE_SIZE

/* One octet more than a page, so that tests can also use unaligned ones. */
static uint8_t page[SIZE + 1], base[SIZE + 1], coded[SIZE], back[SIZE];
static uint64_t seed;

static uint32_t any(uint32_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(seed >> 33) % below;
}

static void fill_random(uint8_t *p)
{
    for (uint32_t i = 0; i < SIZE; i++)
        p[i] = (uint8_t)any(256);
}

static int fresh(void **state)
{
    (void)state;
    seed = 1;
    fill_random(base);
    memcpy(page, base, sizeof(page));
    return 0;
}

static void check_decodes(int choice, const uint8_t *in, uint32_t len, const uint8_t *want,
                          const uint8_t *old)
{
    memset(back, 0xa5, sizeof(back));
    assert_true(page_decode((uint8_t)choice, in, len, old, back));
    assert_memory_equal(back, want, SIZE);
    memcpy(back, old, SIZE);
    assert_true(page_decode((uint8_t)choice, in, len, back, back));
    assert_memory_equal(back, want, SIZE);
}

/* Codes, checks that it comes back both ways, returns the choice. */
static int code(const uint8_t *p, const uint8_t *old, uint32_t features, uint32_t *ret_len)
{
    int choice = page_encode(p, old, features, coded, ret_len);

    assert_true(*ret_len <= SIZE);
    if (choice == PAGE_UNCHANGED)
        assert_memory_equal(p, old, SIZE);
    else
        check_decodes(choice, coded, *ret_len, p, old ? old : base);
    return choice;
}

static void equal_page_is_unchanged(void **state)
{
    uint32_t len = 1;

    (void)state;
    assert_int_equal(code(page, base, WIRE_FEATURES_ALL, &len), PAGE_UNCHANGED);
    assert_int_equal(len, 0);
    assert_int_equal(code(page, base, 0, &len), PAGE_UNCHANGED);
    memset(page, 0, SIZE);
    memset(base, 0, SIZE);
    assert_int_equal(code(page, base, WIRE_FEATURES_ALL, &len), PAGE_UNCHANGED);
}

static void zero_page_has_no_data(void **state)
{
    uint32_t len = 1;

    (void)state;
    memset(page, 0, SIZE);
    assert_int_equal(code(page, base, WIRE_FEATURES_ALL, &len), PAGE_ZERO);
    assert_int_equal(len, 0);
    assert_int_equal(code(page, NULL, 0, &len), PAGE_ZERO);
    assert_int_equal(len, 0);
}

static void one_octet_anywhere_is_seen(void **state)
{
    uint32_t len;

    (void)state;
    for (uint32_t at = 0; at < SIZE; at++) {
        page[at] ^= 0x10;
        assert_int_equal(code(page, base, WIRE_FEATURES_ALL, &len), PAGE_DELTA);
        assert_int_equal(len, at < 128 ? 3 : 4);
        page[at] ^= 0x10;
        memset(back, 0, SIZE);
        assert_true(page_is_zero(back));
        back[at] = 1;
        assert_false(page_is_zero(back));
    }
}

static void random_page_is_raw(void **state)
{
    uint32_t len;

    (void)state;
    fill_random(page);
    assert_int_equal(code(page, base, WIRE_FEATURES_ALL, &len), PAGE_RAW);
    assert_int_equal(len, SIZE);
    assert_int_equal(code(page, NULL, WIRE_FEATURES_ALL, &len), PAGE_RAW);
    assert_int_equal(code(page, NULL, 0, &len), PAGE_RAW);
}

static void fill_text(uint8_t *p)
{
    static const char *const words[] = {"page ", "epoch ", "frame\n", "backup ", "0x10 "};
    uint32_t n = 0;

    while (n < SIZE) {
        const char *w = words[any(5)];

        for (; *w && n < SIZE; w++)
            p[n++] = (uint8_t)*w;
    }
}

static void text_is_lz4(void **state)
{
    uint32_t len, again;

    (void)state;
    fill_text(page);
    assert_int_equal(code(page, base, WIRE_FEATURES_ALL, &len), PAGE_LZ4);
    assert_in_range(len, 1, SIZE / 2);
    assert_int_equal(code(page, NULL, WIRE_FEATURE_LZ4, &again), PAGE_LZ4);
    assert_int_equal(len, again);
    assert_int_equal(code(page, NULL, WIRE_FEATURE_DELTA, &len), PAGE_RAW);
}

static void features_limit_the_choice(void **state)
{
    uint32_t len;

    (void)state;
    page[7] ^= 1;
    assert_int_equal(code(page, base, WIRE_FEATURE_DELTA, &len), PAGE_DELTA);
    assert_int_equal(code(page, base, WIRE_FEATURE_LZ4, &len), PAGE_RAW);
    assert_int_equal(code(page, base, 0, &len), PAGE_RAW);
    assert_int_equal(code(page, NULL, WIRE_FEATURES_ALL, &len), PAGE_RAW);
}

/* Where both would do, neither is taken while the other is shorter, but for a delta that is short
 * anyway. */
static void shorter_of_delta_and_lz4_wins(void **state)
{
    uint32_t both, delta, lz4;
    int won[2] = {0, 0};

    (void)state;
    for (uint32_t changed = 400; changed < 2000; changed += 100) {
        fill_text(base);
        memcpy(page, base, SIZE);
        for (uint32_t i = 0; i < changed; i++)
            page[2 * i] = 'z';
        int choice = code(page, base, WIRE_FEATURES_ALL, &both);

        code(page, base, WIRE_FEATURE_DELTA, &delta);
        code(page, base, WIRE_FEATURE_LZ4, &lz4);
        assert_true(both == (delta < lz4 ? delta : lz4) || (choice == PAGE_DELTA && both <= 512));
        won[choice == PAGE_DELTA]++;
    }
    assert_true(won[0] > 0 && won[1] > 0);
}

static void any_density_comes_back(void **state)
{
    uint32_t len;
    int seen[5] = {0};

    (void)state;
    for (uint32_t round = 0; round < 4000; round++) {
        uint32_t runs = any(round % 2 ? 12 : 700), longest = 1 + any(round % 3 ? 8 : 300);
        uint8_t *p = page + round % 2, *b = base + round % 2;

        round % 7 ? fill_random(b) : fill_text(b);
        memcpy(p, b, SIZE);
        for (uint32_t i = 0; i < runs; i++) {
            uint32_t at = any(SIZE), n = 1 + any(longest);

            for (uint32_t k = at; k < at + n && k < SIZE; k++)
                p[k] ^= (uint8_t)any(256);
        }
        seen[1 + code(p, b, WIRE_FEATURES_ALL, &len)]++;
    }
    assert_true(seen[1 + PAGE_RAW] && seen[1 + PAGE_LZ4] && seen[1 + PAGE_DELTA]);
}

static void portable_scan_agrees(void **state)
{
    struct page_diff fast, slow;

    (void)state;
    for (uint32_t round = 0; round < 500; round++) {
        uint32_t changes = round % 5 == 0 ? SIZE * 8 : any(SIZE), bits = 0;

        memcpy(page, base, SIZE);
        for (uint32_t i = 0; i < changes; i++)
            page[any(SIZE)] = (uint8_t)any(256);
        page_diff_make(page, base, &fast);
        page_diff_make_portable(page, base, &slow);
        assert_memory_equal(fast.word, slow.word, sizeof(fast.word));
        assert_int_equal(fast.count, slow.count);
        for (uint32_t i = 0; i < SIZE; i++)
            bits += page[i] != base[i];
        assert_int_equal(fast.count, bits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(equal_page_is_unchanged, fresh),
        cmocka_unit_test_setup(zero_page_has_no_data, fresh),
        cmocka_unit_test_setup(one_octet_anywhere_is_seen, fresh),
        cmocka_unit_test_setup(random_page_is_raw, fresh),
        cmocka_unit_test_setup(text_is_lz4, fresh),
        cmocka_unit_test_setup(features_limit_the_choice, fresh),
        cmocka_unit_test_setup(shorter_of_delta_and_lz4_wins, fresh),
        cmocka_unit_test_setup(any_density_comes_back, fresh),
        cmocka_unit_test_setup(portable_scan_agrees, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
