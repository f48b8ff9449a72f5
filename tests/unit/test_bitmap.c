/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/bitmap.h"

/* The sanitizer is to refuse an impossible size as libc does, not to stop. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void starts_clear(void **state)
{
    struct bitmap b;
    (void)state;

    assert_int_equal(bitmap_init(&b, 130), 0);
    assert_int_equal(bitmap_words(&b), 3);
    assert_int_equal(bitmap_count(&b), 0);
    bitmap_free(&b);
    assert_null(b.word);
}

static void has_no_bits_when_empty(void **state)
{
    struct bitmap b;
    uint64_t out[1];
    size_t from = 0;
    (void)state;

    assert_int_equal(bitmap_init(&b, 0), 0);
    bitmap_set_all(&b);
    assert_int_equal(bitmap_count(&b), 0);
    assert_int_equal(bitmap_list(&b, &from, out, 1), 0);
    bitmap_free(&b);
}

static void refuses_impossible_size(void **state)
{
    struct bitmap b;
    (void)state;

    assert_int_equal(bitmap_init(&b, SIZE_MAX), -1);
    assert_int_equal(errno, ENOMEM);
    bitmap_free(&b);
}

static void has_the_layout_of_the_dirty_log(void **state)
{
    struct bitmap b;
    (void)state;

    assert_int_equal(bitmap_init(&b, 200), 0);
    bitmap_set(&b, 0);
    bitmap_set(&b, 63);
    bitmap_set(&b, 64);
    bitmap_set(&b, 199);
    assert_int_equal(b.word[0], 0x8000000000000001);
    assert_int_equal(b.word[1], 1);
    assert_int_equal(b.word[3], 0x80);
    assert_true(bitmap_test(&b, 63) && bitmap_test(&b, 199));
    assert_false(bitmap_test(&b, 62) || bitmap_test(&b, 198));
    assert_int_equal(bitmap_count(&b), 4);
    bitmap_zero(&b);
    assert_int_equal(bitmap_count(&b), 0);
    bitmap_free(&b);
}

static void set_all_stops_at_the_last_bit(void **state)
{
    (void)state;
    for (size_t nbits = 1; nbits < 200; nbits++) {
        struct bitmap b;
        assert_int_equal(bitmap_init(&b, nbits), 0);
        bitmap_set_all(&b);
        assert_int_equal(bitmap_count(&b), nbits);
        bitmap_free(&b);
    }
}

static void or_unites(void **state)
{
    struct bitmap a, b;
    (void)state;

    assert_int_equal(bitmap_init(&a, 70), 0);
    assert_int_equal(bitmap_init(&b, 70), 0);
    bitmap_set(&a, 3);
    bitmap_set(&b, 3);
    bitmap_set(&b, 69);
    bitmap_or(&a, &b);
    assert_int_equal(bitmap_count(&a), 2);
    assert_true(bitmap_test(&a, 69));
    bitmap_free(&a);
    bitmap_free(&b);
}

/* Every bit set is listed once and in order, whatever the size of the caller's array. */
static void check_list(const struct bitmap *b, size_t cap)
{
    uint64_t out[64];
    size_t from = 0, total = 0, got, bits = 0;
    uint64_t least = 0;

    while ((got = bitmap_list(b, &from, out, cap)) > 0) {
        assert_true(got <= cap);
        for (size_t i = 0; i < got; i++) {
            assert_true(out[i] >= least && out[i] < b->nbits);
            assert_true(bitmap_test(b, out[i]));
            least = out[i] + 1;
        }
        total += got;
        assert_true(from >= least);
    }
    assert_int_equal(from, b->nbits);
    for (size_t i = 0; i < bitmap_words(b); i++)
        bits += (size_t)__builtin_popcountll(b->word[i]);
    assert_int_equal(total, bits);
    assert_int_equal(bitmap_count(b), bits);
}

static void list_finds_all_in_any_portions(void **state)
{
    struct bitmap b;
    (void)state;

    srand(7);
    for (int round = 0; round < 100; round++) {
        assert_int_equal(bitmap_init(&b, 1 + (size_t)rand() % (round % 2 ? 700 : 20000)), 0);
        for (int i = rand() % 300; i > 0; i--)
            bitmap_set(&b, (size_t)rand() % b.nbits);
        for (size_t cap = 1; cap <= 64; cap += 7)
            check_list(&b, cap);
        bitmap_set_all(&b);
        check_list(&b, 64);
        bitmap_free(&b);
    }
}

enum { WORDS = 625 };

/* As Xen gives them: whole words, the last one with anything behind the last bit. */
static void fill(uint64_t *word, size_t words, int bits)
{
    memset(word, 0, words * sizeof(*word));
    for (; bits > 0; bits--)
        word[(size_t)rand() % words] |= UINT64_C(1) << rand() % 64;
}

static void adds_as_word_by_word(struct bitmap *dst, const uint64_t *src,
                                 const struct bitmap *known)
{
    static uint64_t before[WORDS];
    size_t words = bitmap_words(dst), tail = dst->nbits % 64;
    bool news = false;

    memcpy(before, dst->word, words * sizeof(*before));
    bool got = bitmap_add(dst, src, known);
    for (size_t i = 0; i < words; i++) {
        bool last = tail && i == words - 1;
        uint64_t want = (before[i] | src[i]) & (last ? (UINT64_C(1) << tail) - 1 : ~UINT64_C(0));
        assert_int_equal(dst->word[i], want);
        news |= (src[i] & ~known->word[i]) != 0;
    }
    assert_int_equal(got, news);
}

static void random_map(struct bitmap *b, size_t nbits, int bits)
{
    assert_int_equal(bitmap_init(b, nbits), 0);
    for (; bits > 0; bits--)
        bitmap_set(b, (size_t)rand() % nbits);
}

/* No bit is missed, wherever the words that have some lie. */
static void add_finds_all(void **state)
{
    static _Alignas(16) uint64_t src[WORDS];
    struct bitmap dst, known;
    (void)state;

    srand(8);
    for (int round = 0; round < 2000; round++) {
        size_t nbits = 1 + (size_t)rand() % (round % 2 ? 700 : WORDS * 64 - 1);
        random_map(&dst, nbits, rand() % 4);
        random_map(&known, nbits, rand() % 200);
        fill(src, bitmap_words(&dst), rand() % (round % 3 ? 4 : 300));
        if (round % 4 == 0)
            bitmap_add(&known, src, &known);
        adds_as_word_by_word(&dst, src, &known);
        check_list(&dst, 64);
        bitmap_free(&dst);
        bitmap_free(&known);
    }
}

/* As for the log itself: what was found is kept in one map, cleared, and found again. */
static void marks_follow_the_bits(void **state)
{
    struct bitmap a, b;
    (void)state;

    srand(9);
    random_map(&b, 300000, 0);
    for (int round = 0; round < 300; round++) {
        random_map(&a, 300000, rand() % 5);
        size_t in_a = bitmap_count(&a);
        bitmap_or(&b, &a);
        check_list(&b, 64);
        bitmap_or(&a, &b);
        assert_int_equal(bitmap_count(&a), bitmap_count(&b));
        assert_true(bitmap_count(&b) >= in_a);
        if (round % 10 == 9)
            bitmap_zero(&b);
        bitmap_free(&a);
    }
    bitmap_add_word(&b, 4687, ~UINT64_C(0)); /* the last one */
    bitmap_zero(&b);
    bitmap_add_word(&b, 4687, ~UINT64_C(0));
    assert_int_equal(bitmap_count(&b), 300000 % 64);
    check_list(&b, 64);
    bitmap_free(&b);
}

static void list_goes_on_from_the_middle(void **state)
{
    struct bitmap b;
    uint64_t out[8];
    size_t from = 65;
    (void)state;

    assert_int_equal(bitmap_init(&b, 256), 0);
    bitmap_set(&b, 64);
    bitmap_set(&b, 65);
    bitmap_set(&b, 255);
    assert_int_equal(bitmap_list(&b, &from, out, 0), 0);
    assert_int_equal(from, 65);
    assert_int_equal(bitmap_list(&b, &from, out, 8), 2);
    assert_int_equal(out[0], 65);
    assert_int_equal(out[1], 255);
    assert_int_equal(from, 256);
    assert_int_equal(bitmap_list(&b, &from, out, 8), 0);
    bitmap_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_clear),
        cmocka_unit_test(has_no_bits_when_empty),
        cmocka_unit_test(refuses_impossible_size),
        cmocka_unit_test(has_the_layout_of_the_dirty_log),
        cmocka_unit_test(set_all_stops_at_the_last_bit),
        cmocka_unit_test(or_unites),
        cmocka_unit_test(add_finds_all),
        cmocka_unit_test(marks_follow_the_bits),
        cmocka_unit_test(list_finds_all_in_any_portions),
        cmocka_unit_test(list_goes_on_from_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
