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

#include "engine/hv/xen/format/xen_stream.h"
#include "engine/hv/xen/format/xen_xl_file.h"

/* From the documents of Xen: libxl's header is big-endian, libxc's only in part, the rest little.
 */
static const uint8_t start_octets[] = {
    'L',  'i',  'b',  'x',  'l',  'F',  'm',  't',  /* ident */
    0,    0,    0,    2,    0,    0,    0,    0,    /* version, options */
    1,    0,    0,    0,    0,    0,    0,    0,    /* LIBXC_CONTEXT, empty */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* marker */
    'X',  'E',  'N',  'F',  0,    0,    0,    3,    /* id, version */
    0,    0,    0,    0,    0,    0,    0,    0,    /* options, reserved */
    2,    0,    0,    0,    12,   0,    0,    0,    /* HVM, page shift, reserved */
    4,    0,    0,    0,    17,   0,    0,    0,    /* of Xen 4.17 */
};

static void test_start(void **state)
{
    struct xen_buf b;
    (void)state;

    xen_buf_init(&b);
    xen_stream_start(&b, 4, 17);
    assert_false(b.failed);
    assert_int_equal(b.len, sizeof(start_octets));
    assert_memory_equal(b.data, start_octets, sizeof(start_octets));
    xen_buf_free(&b);
}

static void test_record_is_padded(void **state)
{
    static const uint8_t expected[] = {9, 0, 0, 0, 3, 0, 0, 0, 'a', 'b', 'c', 0, 0, 0, 0, 0};
    struct xen_buf b;
    (void)state;

    xen_buf_init(&b);
    xen_rec_put(&b, XEN_REC_HVM_CONTEXT, "abc", 3);
    assert_int_equal(b.len, sizeof(expected));
    assert_memory_equal(b.data, expected, sizeof(expected));
    xen_buf_free(&b);
}

static void test_ends(void **state)
{
    static const uint8_t expected[] = {
        0x10, 0, 0, 0, 0,  0, 0, 0,    /* STATIC_DATA_END */
        1,    0, 0, 0, 16, 0, 0, 0,    /* the fence: PAGE_DATA, */
        1,    0, 0, 0, 0,  0, 0, 0,    /* one page, */
        0,    0, 0, 0, 0,  0, 0, 0xf0, /* which is a hole */
        0x0e, 0, 0, 0, 0,  0, 0, 0,    /* libxc's CHECKPOINT */
        4,    0, 0, 0, 0,  0, 0, 0,    /* libxl's CHECKPOINT_END */
        0,    0, 0, 0, 0,  0, 0, 0,    /* libxc's END */
        0,    0, 0, 0, 0,  0, 0, 0,    /* libxl's */
    };
    struct xen_buf b;
    (void)state;

    xen_buf_init(&b);
    xen_stream_static_end(&b);
    xen_stream_fence(&b);
    xen_stream_checkpoint(&b);
    xen_stream_end(&b);
    assert_int_equal(b.len, sizeof(expected));
    assert_memory_equal(b.data, expected, sizeof(expected));
    xen_buf_free(&b);
}

static void test_pages(void **state)
{
    static uint8_t first[XEN_STREAM_PAGE], second[XEN_STREAM_PAGE];
    const uint64_t pfn[] = {0x12, 0xfeffc};
    const void *page[] = {first, second};
    static const uint8_t head[] = {
        1,    0,    0,    0, 0x18, 0x20, 0, 0, /* PAGE_DATA, 24 + 2 pages */
        2,    0,    0,    0, 0,    0,    0, 0, /* count */
        0x12, 0,    0,    0, 0,    0,    0, 0, /* frames, type 0 above */
        0xfc, 0xef, 0x0f, 0, 0,    0,    0, 0,
    };
    struct xen_buf b;
    (void)state;

    memset(first, 1, sizeof(first));
    memset(second, 2, sizeof(second));
    xen_buf_init(&b);
    xen_stream_pages(&b, pfn, page, 2);
    assert_int_equal(b.len, sizeof(head) + 2 * XEN_STREAM_PAGE);
    assert_memory_equal(b.data, head, sizeof(head));
    assert_memory_equal(b.data + sizeof(head), first, sizeof(first));
    assert_memory_equal(b.data + sizeof(head) + sizeof(first), second, sizeof(second));
    xen_buf_free(&b);
}

static void test_fixed_buffer_tells_what_it_needs(void **state)
{
    uint8_t room[20], whole[24];
    struct xen_buf b;
    (void)state;

    xen_buf_fixed(&b, room, sizeof(room));
    xen_rec_put(&b, 1, "0123456789", 10);
    assert_true(b.failed);
    assert_int_equal(b.len, 24);
    xen_buf_fixed(&b, whole, sizeof(whole));
    xen_rec_put(&b, 1, "0123456789", 10);
    assert_false(b.failed);
    assert_int_equal(b.len, 24);
}

static void test_reading_stops_at_what_is_no_record(void **state)
{
    static const uint8_t cut[] = {7, 0, 0, 0, 9, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    static const uint8_t huge[] = {7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8};
    struct xen_rec rec;
    size_t at = 0;
    (void)state;

    assert_false(xen_rec_next(cut, sizeof(cut), &at, &rec));
    assert_int_equal(at, 0);
    assert_false(xen_rec_next(huge, sizeof(huge), &at, &rec));
    assert_false(xen_rec_next(cut, 7, &at, &rec));
    at = 0;
    assert_false(xen_rec_next(cut, 0, &at, &rec));
    assert_int_equal(at, 0);
}

static void test_xl_file_head(void **state)
{
    static const uint8_t expected[] = {
        'X',  'e',  'n', ' ', 's', 'a', 'v', 'e', 'd', ' ', 'd',  'o', 'm', 'a', 'i',  'n', ',',
        ' ',  'x',  'l', ' ', 'f', 'o', 'r', 'm', 'a', 't', '\n', ' ', 0,   ' ', '\r', /* magic */
        0x04, 0x03, 2,   1,   3,   0,   0,   0, /* byte order; mandatory: JSON, stream format 2 */
        0,    0,    0,   0,   7,   0,   0,   0, /* no optional flag; length of what follows */
        3,    0,    0,   0,   '{', '}', 0,      /* the configuration with its length and its NUL */
    };
    struct xen_buf b;
    (void)state;

    xen_buf_init(&b);
    xen_xl_file_head(&b, "{}");
    assert_int_equal(b.len, sizeof(expected));
    assert_memory_equal(b.data, expected, sizeof(expected));
    xen_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_record_is_padded),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_xl_file_head),
        cmocka_unit_test(test_fixed_buffer_tells_what_it_needs),
        cmocka_unit_test(test_reading_stops_at_what_is_no_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
