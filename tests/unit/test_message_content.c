/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/message.h"
#include "tests/unit/message_checks.h"

static void addrs(void **state)
{
    (void)state;
    struct msg_addrs good = sample_addrs(3), got;

    REFUSED(addrs, good, epoch, 0, 0, 8);
    REFUSED(addrs, good, count, 0, 8, 2);
    REFUSED(addrs, good, count, WIRE_ADDRS_MAX + 1, 8, 2);
    REFUSED(addrs, good, addr[0].family, 5, 10, 1);
    REFUSED(addrs, good, addr[0].vlan, WIRE_VLAN_MAX + 1, 12, 2);
    REFUSED(addrs, good, addr[0].ip[4], 1, 24, 1);  /* IPv4 has no fifth octet */
    REFUSED(addrs, good, addr[0].family, 0, 10, 1); /* a MAC alone has no IP address */
    REFUSED(addrs, good, addr[1].family, 3, 36, 1);
    ACCEPTED(addrs, good, addr[1].vlan, WIRE_VLAN_MAX);
    struct msg_addrs mac_alone = {.epoch = 3, .count = 1, .addr = {{.mac = {2}}}};
    assert_true(PUT(addrs, &mac_alone));
    assert_true(GET(addrs, &got));
    assert_true(got.addr[0].family == 0 && got.addr[0].mac[0] == 2);
    assert_true(PUT(addrs, &good));
    assert_true(GET(addrs, &got));
    assert_memory_equal(got.addr[1].ip, good.addr[1].ip, 16);
    assert_memory_equal(got.addr[1].mac, good.addr[1].mac, 6);
    ONLY_THIS_LENGTH(addrs, &got);
    poke(11, 1, 1); /* reserved */
    assert_false(GET(addrs, &got));
    good.count = WIRE_ADDRS_MAX;
    for (int i = 1; i < (int)WIRE_ADDRS_MAX; i++)
        good.addr[i] = good.addr[0];
    assert_true(PUT(addrs, &good));
    assert_int_equal(len, 842);
    assert_true(GET(addrs, &got));
}

static void state_piece(void **state)
{
    (void)state;
    static uint8_t data[WIRE_STATE_CHUNK + 1];
    struct msg_state good = {.epoch = 1, .total_len = 100, .offset = 10, .len = 90, .data = data};
    struct msg_state got;

    REFUSED(state, good, epoch, 0, 0, 8);
    REFUSED(state, good, total_len, 99, 8, 4);
    REFUSED(state, good, total_len, 0, 8, 4);
    REFUSED(state, good, total_len, WIRE_STATE_MAX + 1, 8, 4);
    REFUSED(state, good, offset, 11, 12, 4);
    REFUSED(state, good, offset, 0xffffffff, 12, 4);
    ACCEPTED(state, good, len, 1);
    good.len = 0;
    assert_false(PUT(state, &good));
    assert_true((good.len = 90, PUT(state, &good)));
    assert_false(GET_N(state, &got, 16)); /* no octets */
    good = (struct msg_state){
        .epoch = 1, .total_len = WIRE_STATE_MAX, .len = WIRE_STATE_CHUNK, .data = data};
    assert_true(PUT(state, &good));
    assert_true(GET(state, &got));
    assert_false(GET_N(state, &got, len + 1));
    good.len++;
    assert_false(PUT(state, &good));
}

/* ---- PAGES and FRAMES have no put: payloads by hand ---- */

struct item {
    uint64_t pfn;
    uint8_t coding, reserved;
    uint16_t len;
};

static void pages_build(const struct item *item, uint16_t count, uint16_t named, uint32_t data_len)
{
    struct wcur *w = writer();
    size_t sum = 0;

    wcur_u64(w, 1);
    wcur_u16(w, named);
    wcur_u32(w, data_len);
    for (uint16_t i = 0; i < count; i++) {
        wcur_u64(w, item[i].pfn);
        wcur_u8(w, item[i].coding);
        wcur_u8(w, item[i].reserved);
        wcur_u16(w, item[i].len);
        sum += item[i].len;
    }
    memset(w->p, 0, sum); /* zeroes would make a good head, were they taken for one */
    len = (size_t)(w->p - buf) + sum;
}

static bool one_page(struct item item)
{
    struct msg_pages m;

    pages_build(&item, 1, 1, item.len);
    return GET(pages, &m);
}

static void pages_limits(void **state)
{
    (void)state;
    assert_true(one_page((struct item){WIRE_PFN_MAX - 1, WIRE_PAGE_ZERO, 0, 0}));
    assert_false(one_page((struct item){WIRE_PFN_MAX, WIRE_PAGE_ZERO, 0, 0}));
    assert_false(one_page((struct item){0, WIRE_PAGE_ZERO, 1, 0}));
    assert_false(one_page((struct item){0, WIRE_PAGE_ZERO, 0, 1}));
    assert_true(one_page((struct item){0, WIRE_PAGE_RAW, 0, 4096}));
    assert_false(one_page((struct item){0, WIRE_PAGE_RAW, 0, 4095}));
    assert_false(one_page((struct item){0, WIRE_PAGE_RAW, 0, 4097}));
    assert_true(one_page((struct item){0, WIRE_PAGE_LZ4, 0, 1}));
    assert_true(one_page((struct item){0, WIRE_PAGE_LZ4, 0, 4095}));
    assert_false(one_page((struct item){0, WIRE_PAGE_LZ4, 0, 0}));
    assert_false(one_page((struct item){0, WIRE_PAGE_LZ4, 0, 4096}));
    assert_true(one_page((struct item){0, WIRE_PAGE_DELTA, 0, 3}));
    assert_false(one_page((struct item){0, WIRE_PAGE_DELTA, 0, 2}));
    assert_false(one_page((struct item){0, WIRE_PAGE_DELTA, 0, 4096}));
    assert_false(one_page((struct item){0, 4, 0, 1}));
    assert_false(one_page((struct item){0, 255, 0, 0}));
}

static void pages_counts_and_lengths_must_agree(void **state)
{
    (void)state;
    static struct item many[WIRE_PAGES_MAX + 1];
    const struct item two[] = {{1, WIRE_PAGE_LZ4, 0, 10}, {2, WIRE_PAGE_DELTA, 0, 20}};
    struct msg_pages m;

    pages_build(two, 2, 2, 30);
    assert_true(GET(pages, &m));
    ONLY_THIS_LENGTH(pages, &m);
    static const uint32_t wrong[] = {0, 29, 31, 0xffffffff};
    for (int i = 0; i < 4; i++) {
        pages_build(two, 2, 2, wrong[i]);
        assert_false(GET(pages, &m));
    }
    for (uint16_t named = 0; named < 4; named++) {
        pages_build(two, 2, named, 30);
        assert_int_equal(GET(pages, &m), named == 2);
    }
    pages_build(many, WIRE_PAGES_MAX, WIRE_PAGES_MAX, 0);
    assert_true(GET(pages, &m));
    pages_build(many, WIRE_PAGES_MAX + 1, WIRE_PAGES_MAX + 1, 0);
    assert_false(GET(pages, &m));
    pages_build(two, 2, 2, 30);
    poke(0, 8, 0);
    assert_false(GET(pages, &m));
}

static void pages_are_listed_in_order(void **state)
{
    (void)state;
    const struct item two[] = {{1, WIRE_PAGE_LZ4, 0, 10}, {2, WIRE_PAGE_DELTA, 0, 20}};
    struct pages_iter it = {0};
    struct page_item item;
    struct msg_pages m;

    pages_build(two, 2, 2, 30);
    struct rcur r = {.p = buf, .end = buf + len};
    assert_true(msg_pages_get(&r, &m));
    assert_true(msg_pages_next(&m, &it, &item));
    assert_true(item.pfn == 1 && item.coding == WIRE_PAGE_LZ4 && item.len == 10);
    assert_ptr_equal(item.data, m.data);
    assert_true(msg_pages_next(&m, &it, &item));
    assert_true(item.pfn == 2 && item.len == 20);
    assert_ptr_equal(item.data, m.data + 10);
    assert_false(msg_pages_next(&m, &it, &item));
}

static void frames_build(const uint32_t *lens, uint16_t count, uint16_t named)
{
    struct wcur *w = writer();

    wcur_u64(w, 1);
    wcur_u16(w, named);
    for (uint16_t i = 0; i < count; i++) {
        wcur_u32(w, lens[i]);
        size_t room = (size_t)(w->end - w->p), n = lens[i] < room ? lens[i] : room;
        memset(w->p, i, n);
        w->p += n;
    }
    len = (size_t)(w->p - buf);
}

static void frames(void **state)
{
    (void)state;
    const uint32_t two[] = {WIRE_FRAME_MIN, WIRE_FRAME_MAX}, three[] = {30, 31, 32};
    const uint32_t bad[] = {0, WIRE_FRAME_MIN - 1, WIRE_FRAME_MAX + 1};
    struct frames_iter it = {0};
    struct msg_frames m;
    const uint8_t *frame;
    uint32_t n;

    frames_build(two, 2, 2);
    struct rcur r = {.p = buf, .end = buf + len};
    assert_true(msg_frames_get(&r, &m));
    assert_true(msg_frames_next(&m, &it, &frame, &n));
    assert_true(n == WIRE_FRAME_MIN && frame == buf + 14);
    assert_true(msg_frames_next(&m, &it, &frame, &n));
    assert_true(n == WIRE_FRAME_MAX && frame[n - 1] == 1);
    assert_false(msg_frames_next(&m, &it, &frame, &n));
    for (int i = 0; i < 3; i++) {
        frames_build(&bad[i], 1, 1);
        assert_false(GET(frames, &m));
    }
    for (uint16_t named = 0; named < 5; named++) {
        frames_build(three, 3, named);
        assert_int_equal(GET(frames, &m), named == 3);
    }
    frames_build(three, 3, 3);
    ONLY_THIS_LENGTH(frames, &m);
    poke(10, 4, 0xffffffff);
    assert_false(GET(frames, &m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addrs),
        cmocka_unit_test(state_piece),
        cmocka_unit_test(pages_limits),
        cmocka_unit_test(pages_counts_and_lengths_must_agree),
        cmocka_unit_test(pages_are_listed_in_order),
        cmocka_unit_test(frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
