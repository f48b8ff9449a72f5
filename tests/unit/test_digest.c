/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <xxhash.h>

#include "proto/digest.h"

#define SIZE WIRE_PAGE_SIZE

static struct digest *d;
static uint8_t got[16];

/* What the document says is fed, put together by hand and hashed in one go. */
static uint8_t fed[8 * SIZE];
static size_t fed_len;

static int setup(void **state)
{
    (void)state;
    d = digest_new();
    fed_len = 0;
    return d ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    digest_free(d);
    return 0;
}

static void feed(const void *p, size_t n)
{
    assert_true(fed_len + n <= sizeof(fed));
    memcpy(fed + fed_len, p, n);
    fed_len += n;
}

static void feed_number(uint64_t v, int octets)
{
    for (int i = 0; i < octets; i++, v >>= 8) {
        uint8_t b = (uint8_t)v;

        feed(&b, 1);
    }
}

static void assert_digest(void)
{
    XXH128_canonical_t want;

    XXH128_canonicalFromHash(&want, XXH3_128bits(fed, fed_len));
    digest_final(d, got);
    assert_memory_equal(got, want.digest, 16);
}

static void make_page(uint8_t *page, unsigned salt)
{
    for (unsigned i = 0; i < SIZE; i++)
        page[i] = (uint8_t)(i * 31 + (i >> 8) + salt);
}

static void epoch_is_fed_as_documented(void **state)
{
    uint8_t page[SIZE];
    static const char frame[] = "a frame", vcpu[] = "registers";

    (void)state;
    digest_reset(d, 0x0102030405060708ull, 9);
    feed_number(0x0102030405060708ull, 8);
    feed_number(9, 8);
    assert_digest();
    for (unsigned i = 0; i < 3; i++) {
        make_page(page, i);
        digest_page(d, (1ull << 35) + i, page);
        feed("P", 1);
        feed_number((1ull << 35) + i, 8);
        feed(page, SIZE);
    }
    digest_frame(d, frame, sizeof(frame));
    feed("F", 1);
    feed_number(sizeof(frame), 4);
    feed(frame, sizeof(frame));
    digest_state(d, vcpu, sizeof(vcpu));
    feed("S", 1);
    feed_number(sizeof(vcpu), 4);
    feed(vcpu, sizeof(vcpu));
    assert_digest();
}

static void image_is_fed_as_documented(void **state)
{
    uint8_t page[SIZE];

    (void)state;
    digest_image_reset(d);
    feed("I", 1);
    assert_digest();
    for (unsigned i = 0; i < 5; i++) {
        make_page(page, i);
        digest_image_page(d, page);
        feed(page, SIZE);
    }
    assert_digest();
}

/* Fixed, so that no library can change the protocol unnoticed. */
static void known_values(void **state)
{
    uint8_t page[SIZE] = {0};
    char hex[33];

    (void)state;
    digest_image_reset(d);
    digest_image_page(d, page);
    digest_final(d, got);
    for (int i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", got[i]);
    assert_string_equal(hex, "be42f749e157f2613b7092eb571e11f5");
    digest_reset(d, 1, 2);
    digest_final(d, got);
    for (int i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", got[i]);
    assert_string_equal(hex, "556c70b5fae5b2a44967295965e4d325");
}

static void final_may_be_asked_in_between(void **state)
{
    uint8_t page[SIZE], first[16];

    (void)state;
    make_page(page, 1);
    digest_reset(d, 1, 1);
    digest_page(d, 0, page);
    digest_page(d, 1, page);
    digest_final(d, first);
    digest_reset(d, 1, 1);
    digest_page(d, 0, page);
    digest_final(d, got);
    assert_memory_not_equal(got, first, 16);
    digest_page(d, 1, page);
    digest_final(d, got);
    assert_memory_equal(got, first, 16);
}

static void everything_matters(void **state)
{
    uint8_t page[SIZE], seen[6][16];

    (void)state;
    make_page(page, 0);
    for (int k = 0; k < 6; k++) {
        digest_reset(d, k == 1 ? 2 : 1, k == 2 ? 2 : 1);
        digest_page(d, k == 3 ? 1 : 0, page);
        if (k == 4)
            digest_frame(d, "", 0);
        if (k == 5)
            digest_state(d, "", 0);
        digest_final(d, seen[k]);
        for (int j = 0; j < k; j++)
            assert_memory_not_equal(seen[j], seen[k], 16);
    }
}

static void free_takes_null(void **state)
{
    (void)state;
    digest_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(epoch_is_fed_as_documented, setup, teardown),
        cmocka_unit_test_setup_teardown(image_is_fed_as_documented, setup, teardown),
        cmocka_unit_test_setup_teardown(known_values, setup, teardown),
        cmocka_unit_test_setup_teardown(final_may_be_asked_in_between, setup, teardown),
        cmocka_unit_test_setup_teardown(everything_matters, setup, teardown),
        cmocka_unit_test(free_takes_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
