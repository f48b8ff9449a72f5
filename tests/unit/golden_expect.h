/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_GOLDEN_EXPECT_H
#define REMUS_TESTS_GOLDEN_EXPECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/session.h"

/** What tests/golden/NAME.bin says, written once more, so that put and get cannot be wrong
 * together. */

static inline void expect_hello(const struct msg_hello *m)
{
    assert_true(m->version_min == 1 && m->version_max == 1 && m->features == 3);
    assert_true(m->uuid[0] == 0xa0 && m->uuid[15] == 0xaf && m->pages == 4096 && m->epoch_ms == 25);
    assert_int_equal(m->hold, 1);
    assert_string_equal(m->name, "b\xc3\xbcro-1");
    assert_string_equal(m->backend, "sim");
    assert_int_equal(m->desc_len, 17);
    assert_memory_equal(m->desc, "vcpus=2 memory=16", 17);
}

static inline void expect_pages(const struct msg_pages *m)
{
    static const uint8_t delta[] = {0xac, 0x02, 0x05}; /* skip 300, change 5 */
    struct pages_iter it = {0};
    struct page_item item;

    assert_true(m->epoch == 1 && m->count == 3);
    assert_true(msg_pages_next(m, &it, &item));
    assert_true(item.pfn == 0x10 && item.coding == 0 && item.len == 0);
    assert_true(msg_pages_next(m, &it, &item));
    assert_true(item.pfn == 0x11 && item.coding == 1 && item.len == 4096);
    assert_true(msg_pages_next(m, &it, &item));
    assert_true(item.pfn == 0x11 && item.coding == 3 && item.len == 8);
    assert_memory_equal(item.data, delta, sizeof(delta));
}

static inline void expect_frames(const struct msg_frames *m, uint64_t epoch)
{
    struct frames_iter it = {0};
    const uint8_t *frame;
    uint32_t len;

    assert_true(m->epoch == epoch && m->count == 2);
    assert_true(msg_frames_next(m, &it, &frame, &len) && len == 70);
    assert_true(msg_frames_next(m, &it, &frame, &len) && len == 100);
}

static inline void expect_addrs(const struct msg_addrs *m)
{
    static const uint8_t ip4[16] = {192, 0, 2, 7};
    static const uint8_t ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 7}, mac[6] = {2, [5] = 1};

    assert_true(m->epoch == 1 && m->count == 2);
    assert_true(m->addr[0].family == 4 && m->addr[0].vlan == 0);
    assert_true(m->addr[1].family == 6 && m->addr[1].vlan == 100);
    assert_memory_equal(m->addr[0].mac, mac, 6);
    assert_memory_equal(m->addr[0].ip, ip4, 16);
    assert_memory_equal(m->addr[1].ip, ip6, 16);
}

static inline void expect_epoch_end(const struct msg_epoch_end *m)
{
    assert_true(m->epoch == 1 && m->pages == 3 && m->frames == 2 && m->sent_ns == 1500);
    assert_true(m->digest[0] == 0xd1 && m->digest[15] == 0xd1);
    assert_true(m->image_digest[0] == 0xd2 && m->image_digest[15] == 0xd2);
}

static inline void expect_end(const struct session_event *ev)
{
    switch (ev->type) {
    case WIRE_BYE:
        assert_in_range(ev->u.bye.reason, WIRE_BYE_UNPROTECT, WIRE_BYE_SHUTDOWN);
        assert_string_equal(ev->u.bye.text, "until later");
        break;
    case WIRE_REJECT:
        assert_int_equal(ev->u.reject.code, WIRE_REJECT_PROTOCOL);
        assert_true(ev->u.reject.generation == 0x1122334455667789);
        assert_string_equal(ev->u.reject.text, "no");
        break;
    case WIRE_HANDOVER:
        assert_true(ev->u.handover.epoch == 1 && ev->u.handover.reason == 1);
        break;
    case WIRE_HANDOVER_ACK:
        assert_true(ev->u.handover_ack.epoch == 1);
        assert_true(ev->u.handover_ack.generation == 0x1122334455667789);
        break;
    default:
        assert_int_equal(ev->type, WIRE_BYE_ACK);
    }
}

static inline void expect(const struct session_event *ev)
{
    switch (ev->type) {
    case WIRE_HELLO:
        expect_hello(&ev->u.hello);
        break;
    case WIRE_WELCOME:
        assert_true(ev->u.welcome.version == 1 && ev->u.welcome.features == 1);
        assert_true(ev->u.welcome.lease_ms == 1000 && ev->u.welcome.staging_pages == 64);
        break;
    case WIRE_EPOCH_BEGIN:
        assert_true(ev->u.begin.epoch == 1 && ev->u.begin.flags == 1);
        assert_true(ev->u.begin.sent_ns == 1000);
        break;
    case WIRE_PAGES:
        expect_pages(&ev->u.pages);
        break;
    case WIRE_STATE:
        assert_true(ev->u.state.epoch == 1 && ev->u.state.total_len == 22);
        assert_true(ev->u.state.offset == 0 && ev->u.state.len == 22);
        assert_string_equal((const char *)ev->u.state.data, "registers and devices");
        break;
    case WIRE_FRAMES:
    case WIRE_FRAMES_IN:
        expect_frames(&ev->u.frames, ev->type == WIRE_FRAMES ? 1 : 0);
        break;
    case WIRE_ADDRS:
        expect_addrs(&ev->u.addrs);
        break;
    case WIRE_EPOCH_END:
        expect_epoch_end(&ev->u.end);
        break;
    case WIRE_BEAT:
        assert_true(ev->u.beat.sent_ns == 0x0102030405060708);
        break;
    case WIRE_ACK:
        assert_true(ev->u.ack.epoch == 1 && ev->u.ack.sent_ns == 1500 && ev->u.ack.lease_ms == 900);
        break;
    case WIRE_BEAT_ACK:
        assert_true(ev->u.ack.epoch == 0 && ev->u.ack.sent_ns == 0x0102030405060708);
        break;
    default:
        expect_end(ev);
    }
}

#endif
