/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/crc32c.h"
#include "proto/wire.h"

/* ---- cursors ---- */

static void integers_are_little_endian(void **state)
{
    (void)state;
    static const uint8_t want[] = {0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0f,
                                   0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08};
    uint8_t buf[sizeof(want)];
    struct wcur w = {.p = buf, .end = buf + sizeof(buf)};

    wcur_u8(&w, 0x01);
    wcur_u16(&w, 0x0203);
    wcur_u32(&w, 0x04050607);
    wcur_u64(&w, 0x08090a0b0c0d0e0full);
    assert_false(w.bad);
    assert_memory_equal(buf, want, sizeof(want));

    struct rcur r = {.p = buf, .end = buf + sizeof(buf)};
    assert_int_equal(rcur_u8(&r), 0x01);
    assert_int_equal(rcur_u16(&r), 0x0203);
    assert_int_equal(rcur_u32(&r), 0x04050607);
    assert_false(rcur_done(&r));
    assert_true(rcur_u64(&r) == 0x08090a0b0c0d0e0full);
    assert_true(rcur_done(&r));
}

static void reading_too_far_sticks(void **state)
{
    (void)state;
    static const uint8_t buf[] = {1, 2, 3};
    struct rcur r = {.p = buf, .end = buf + sizeof(buf)};

    assert_int_equal(rcur_u32(&r), 0);
    assert_true(r.bad);
    assert_int_equal(rcur_u8(&r), 0);
    assert_null(rcur_bytes(&r, 0));
    assert_false(rcur_done(&r));
}

static void bytes_are_read_in_place(void **state)
{
    (void)state;
    static const uint8_t buf[] = {1, 2, 3};
    struct rcur r = {.p = buf, .end = buf + sizeof(buf)};

    assert_ptr_equal(rcur_bytes(&r, 2), buf);
    assert_null(rcur_bytes(&r, SIZE_MAX));
    assert_true(r.bad);
}

static void writing_too_far_sticks_and_touches_nothing(void **state)
{
    (void)state;
    uint8_t buf[4] = {9, 9, 9, 9};
    struct wcur w = {.p = buf, .end = buf + 3};

    wcur_u32(&w, 1);
    assert_true(w.bad);
    wcur_u8(&w, 1);
    wcur_bytes(&w, "x", 1);
    assert_ptr_equal(w.p, buf);
    for (int i = 0; i < 4; i++)
        assert_int_equal(buf[i], 9);
}

static void a_value_too_wide_is_refused(void **state)
{
    (void)state;
    static void (*const put[])(struct wcur *, uint64_t) = {wcur_u8, wcur_u16, wcur_u32};
    static const uint64_t most[] = {0xff, 0xffff, 0xffffffff};

    for (int i = 0; i < 3; i++) {
        uint8_t buf[8];
        struct wcur w = {.p = buf, .end = buf + sizeof(buf)};
        put[i](&w, most[i]);
        assert_false(w.bad);
        put[i](&w, most[i] + 1);
        assert_true(w.bad);
    }
}

/* ---- text ---- */

#define MAX 8

static bool text_reads(const void *octets, uint16_t len, char *ret)
{
    uint8_t buf[64] = {(uint8_t)len, (uint8_t)(len >> 8)};

    memcpy(buf + 2, octets, len);
    struct rcur r = {.p = buf, .end = buf + 2 + len};
    memset(ret, 'x', MAX + 1);
    rcur_text(&r, ret, MAX);
    assert_non_null(memchr(ret, '\0', MAX + 1));
    return rcur_done(&r);
}

static bool text_writes(const char *text)
{
    uint8_t buf[64];
    struct wcur w = {.p = buf, .end = buf + sizeof(buf)};

    wcur_text(&w, text, MAX);
    return !w.bad;
}

static void text_goes_both_ways(void **state)
{
    (void)state;
    static const char *const good[] = {"a",
                                       "a b~",
                                       "12345678",
                                       "\xc3\xbc",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    char got[MAX + 1];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(text_writes(good[i]));
        assert_true(text_reads(good[i], (uint16_t)strlen(good[i]), got));
        assert_string_equal(got, good[i]);
    }
}

static void bad_text_is_refused_both_ways(void **state)
{
    (void)state;
    static const char *const bad[] = {"",          /* empty */
                                      "123456789", /* too long */
                                      "a\nb",      /* control characters */
                                      "\x1b[1m",
                                      "\x7f",
                                      "\x80", /* continuation without a start */
                                      "\xc3", /* cut */
                                      "\xc3(",
                                      "\xe2\x82",
                                      "\xc0\xaf", /* not the shortest form */
                                      "\xe0\x9f\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xc2\x80\xc1\xbf", /* good, then not the shortest form */
                                      "\xed\xa0\x80",     /* surrogate */
                                      "\xf4\x90\x80\x80", /* above 0x10ffff */
                                      "\xf8\x88\x80\x80\x80",
                                      "\xff"};
    char got[MAX + 1];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(text_writes(bad[i]));
        assert_false(text_reads(bad[i], (uint16_t)strlen(bad[i]), got));
        assert_string_equal(got, "");
    }
    assert_false(text_reads("a\0b", 3, got));
}

static void a_text_longer_than_the_input_is_refused(void **state)
{
    (void)state;
    static const uint8_t buf[] = {4, 0, 'a', 'b', 'c'};
    struct rcur r = {.p = buf, .end = buf + sizeof(buf)};
    char got[MAX + 1];

    rcur_text(&r, got, MAX);
    assert_true(r.bad);
}

/* ---- CRC32C ---- */

/** RFC 3720, B.4, and the check value of the CRC catalogues. */
static void crc_known_values(void **state)
{
    (void)state;
    uint8_t buf[48] = {0};

    assert_int_equal(wire_crc32c(0, "", 0), 0);
    assert_int_equal(wire_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(wire_crc32c(0, buf, 32), 0x8a9136aa);
    memset(buf, 0xff, 32);
    assert_int_equal(wire_crc32c(0, buf, 32), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        buf[i] = i;
    assert_int_equal(wire_crc32c(0, buf, 32), 0x46dd794e);
    for (uint8_t i = 0; i < 32; i++)
        buf[i] = 31 - i;
    assert_int_equal(wire_crc32c(0, buf, 32), 0x113fdb5c);
}

static void crc_known_values_without_the_instruction(void **state)
{
    (void)state;
    static const uint8_t zero[32];

    assert_int_equal(~crc32c_portable(~0u, (const uint8_t *)"123456789", 9), 0xe3069283);
    assert_int_equal(~crc32c_portable(~0u, zero, 32), 0x8a9136aa);
}

/** The definition, a bit at a time. */
static uint32_t crc_by_bits(uint32_t reg, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        reg ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            reg = reg >> 1 ^ (reg & 1 ? 0x82f63b78u : 0);
    }
    return reg;
}

static void crc_ways_agree_at_any_length_and_alignment(void **state)
{
    (void)state;
    static uint8_t buf[7000];
    uint32_t x = 1;

    for (size_t i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
    for (size_t n = 0; n < sizeof(buf) - 8; n += n < 200 ? 1 : 61) {
        const uint8_t *p = buf + n % 8;
        uint32_t want = crc_by_bits(~0u, p, n);
        assert_int_equal(crc32c_portable(~0u, p, n), want);
        if (crc32c_hw_usable())
            assert_int_equal(crc32c_hw(~0u, p, n), want);
        assert_int_equal(wire_crc32c(0, p, n), ~want);
    }
}

static void crc_continues(void **state)
{
    (void)state;
    uint8_t buf[4000];

    for (size_t i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)(i * 7);
    uint32_t want = wire_crc32c(0, buf, sizeof(buf));
    for (size_t cut = 0; cut <= sizeof(buf); cut += 37) {
        uint32_t crc = wire_crc32c(0, buf, cut);
        assert_int_equal(wire_crc32c(crc, buf + cut, sizeof(buf) - cut), want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_little_endian),
        cmocka_unit_test(reading_too_far_sticks),
        cmocka_unit_test(bytes_are_read_in_place),
        cmocka_unit_test(writing_too_far_sticks_and_touches_nothing),
        cmocka_unit_test(a_value_too_wide_is_refused),
        cmocka_unit_test(text_goes_both_ways),
        cmocka_unit_test(bad_text_is_refused_both_ways),
        cmocka_unit_test(a_text_longer_than_the_input_is_refused),
        cmocka_unit_test(crc_known_values),
        cmocka_unit_test(crc_known_values_without_the_instruction),
        cmocka_unit_test(crc_ways_agree_at_any_length_and_alignment),
        cmocka_unit_test(crc_continues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
