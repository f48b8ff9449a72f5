/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/hv/xen/format/xen_desc.h"

struct sample {
    struct xen_buf ranges, packed;
    uint8_t cpuid[48], msr[16];
    struct xen_desc desc;
};

static void sample_init(struct sample *s, const struct xen_range *range, size_t n)
{
    *s = (struct sample){.cpuid = {1}, .msr = {2}};
    for (size_t i = 0; i < n; i++)
        xen_desc_put_range(&s->ranges, range[i].first, range[i].count);
    s->desc = (struct xen_desc){.pages = 0xff000,
                                .xen_major = 4,
                                .xen_minor = 17,
                                .config = "{\"a\": 1}",
                                .cpuid = s->cpuid,
                                .cpuid_len = sizeof(s->cpuid),
                                .msr = s->msr,
                                .msr_len = sizeof(s->msr),
                                .ranges = s->ranges.data,
                                .range_count = n};
    xen_desc_pack(&s->desc, &s->packed);
}

static void sample_free(struct sample *s)
{
    xen_buf_free(&s->ranges);
    xen_buf_free(&s->packed);
}

static const struct xen_range good[] = {{0, 0x8000}, {0xfeff8, 7}, {0xfefff, 1}};

static void test_description_comes_back(void **state)
{
    struct sample s;
    struct xen_desc d;
    struct err err;
    (void)state;

    sample_init(&s, good, 3);
    assert_int_equal(xen_desc_parse(s.packed.data, s.packed.len, &d, &err), 0);
    assert_int_equal(d.pages, 0xff000);
    assert_int_equal(d.xen_major, 4);
    assert_int_equal(d.xen_minor, 17);
    assert_string_equal(d.config, "{\"a\": 1}");
    assert_int_equal(d.cpuid_len, sizeof(s.cpuid));
    assert_memory_equal(d.cpuid, s.cpuid, sizeof(s.cpuid));
    assert_memory_equal(d.msr, s.msr, sizeof(s.msr));
    assert_int_equal(d.range_count, 3);
    assert_int_equal(xen_desc_memory(&d), 0x8000 + 7 + 1); /* of 0xff000 addresses */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(xen_desc_range(&d, i).first, good[i].first);
        assert_int_equal(xen_desc_range(&d, i).count, good[i].count);
    }
    sample_free(&s);
}

static void refuse_ranges(const struct xen_range *range, size_t n)
{
    struct sample s;
    struct xen_desc d;
    struct err err;

    sample_init(&s, range, n);
    errno = 0;
    assert_int_equal(xen_desc_parse(s.packed.data, s.packed.len, &d, &err), -1);
    assert_int_equal(errno, EINVAL);
    sample_free(&s);
}

static void test_description_with_bad_ranges(void **state)
{
    static const struct xen_range outside[] = {{0, 8}, {0xfeff8, 9}};
    static const struct xen_range wraps[] = {{1, UINT64_MAX}};
    static const struct xen_range overlap[] = {{0, 8}, {7, 8}};
    static const struct xen_range empty[] = {{0, 0}};
    (void)state;

    refuse_ranges(outside, 2);
    refuse_ranges(wraps, 1);
    refuse_ranges(overlap, 2);
    refuse_ranges(empty, 1);
    refuse_ranges(good, 0);
}

/* Cut at any octet, and with any octet changed: never more than a refusal. */
static void test_description_damaged(void **state)
{
    struct sample s;
    struct xen_desc d;
    struct err err;
    (void)state;

    sample_init(&s, good, 3);
    for (size_t len = 0; len < s.packed.len; len++) {
        uint8_t *copy = malloc(len + 1); /* exact, for the sanitizer */
        memcpy(copy, s.packed.data, len);
        assert_int_equal(xen_desc_parse(copy, len, &d, &err), -1);
        free(copy);
    }
    for (size_t i = 0; i < s.packed.len; i++) {
        s.packed.data[i] ^= 0xff;
        (void)!xen_desc_parse(s.packed.data, s.packed.len, &d, &err);
        s.packed.data[i] ^= 0xff;
    }
    sample_free(&s);
}

/* ---- state ---- */

static void put_state(struct xen_buf *b, uint32_t params, size_t param_octets)
{
    static const uint8_t zero[256];

    xen_buf_init(b);
    xen_state_begin(b);
    xen_rec_put(b, XEN_REC_TSC_INFO, zero, 24);
    xen_rec_put(b, XEN_REC_HVM_CONTEXT, zero, 100);
    size_t begun = xen_rec_begin(b, XEN_REC_HVM_PARAMS);
    xen_buf_u32(b, params);
    xen_buf_u32(b, 0);
    xen_buf_zero(b, param_octets);
    xen_rec_end(b, begun);
}

static void test_state_records_are_the_streams(void **state)
{
    const uint8_t *records;
    struct xen_buf b;
    struct err err;
    size_t len;
    (void)state;

    put_state(&b, 2, 32);
    assert_int_equal(xen_state_check(b.data, b.len, &records, &len, &err), 0);
    assert_ptr_equal(records, b.data + 8);
    assert_int_equal(len, b.len - 8);
    assert_int_equal(xen_get_u32(records), XEN_REC_TSC_INFO);
    for (size_t cut = 0; cut < b.len; cut++)
        assert_int_equal(xen_state_check(b.data, cut, &records, &len, &err), -1);
    xen_buf_free(&b);
}

static void test_state_malformed(void **state)
{
    const uint8_t *records;
    struct xen_buf b;
    struct err err;
    size_t len;
    (void)state;

    put_state(&b, 3, 32); /* announces more than there is */
    assert_int_equal(xen_state_check(b.data, b.len, &records, &len, &err), -1);
    xen_buf_free(&b);
    put_state(&b, 0x10000000, 0); /* the size wraps */
    assert_int_equal(xen_state_check(b.data, b.len, &records, &len, &err), -1);
    xen_buf_free(&b);
    put_state(&b, 0, 0);
    xen_rec_put(&b, XEN_REC_TSC_INFO, "", 0); /* one too many */
    assert_int_equal(xen_state_check(b.data, b.len, &records, &len, &err), -1);
    xen_buf_free(&b);
    put_state(&b, 0, 0);
    b.data[8] = XEN_REC_PAGE_DATA; /* the state must not bring pages */
    assert_int_equal(xen_state_check(b.data, b.len, &records, &len, &err), -1);
    xen_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_description_comes_back),
        cmocka_unit_test(test_description_with_bad_ranges),
        cmocka_unit_test(test_description_damaged),
        cmocka_unit_test(test_state_records_are_the_streams),
        cmocka_unit_test(test_state_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
