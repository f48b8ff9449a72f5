/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/message.h"
#include "tests/unit/message_checks.h"

static void hello_goes_both_ways(void **state)
{
    (void)state;
    struct msg_hello m = sample_hello(), got;

    assert_true(PUT(hello, &m));
    struct rcur r = {.p = buf, .end = buf + len};
    assert_true(msg_hello_get(&r, &got));
    assert_string_equal(got.name, m.name);
    assert_string_equal(got.backend, m.backend);
    assert_memory_equal(got.uuid, m.uuid, sizeof(m.uuid));
    assert_int_equal(got.desc_len, m.desc_len);
    assert_memory_equal(got.desc, m.desc, m.desc_len);
    assert_ptr_equal(got.desc, buf + len - m.desc_len);
    assert_true(got.pages == m.pages && got.epoch_ms == m.epoch_ms && got.hold == m.hold);
    assert_true(got.features == m.features);
    ONLY_THIS_LENGTH(hello, &got);
}

static void hello_limits(void **state)
{
    (void)state;
    struct msg_hello good = sample_hello();

    REFUSED(hello, good, version_min, 0, 0, 2);
    REFUSED(hello, good, version_min, 2, 0, 2);
    REFUSED(hello, good, version_max, 0, 2, 2);
    REFUSED(hello, good, pages, 0, 24, 8);
    REFUSED(hello, good, pages, WIRE_PFN_MAX + 1, 24, 8);
    REFUSED(hello, good, epoch_ms, 0, 32, 4);
    REFUSED(hello, good, epoch_ms, WIRE_EPOCH_MAX_MS + 1, 32, 4);
    REFUSED(hello, good, hold, 3, 36, 1);
    ACCEPTED(hello, good, pages, 1);
    ACCEPTED(hello, good, pages, WIRE_PFN_MAX);
    ACCEPTED(hello, good, epoch_ms, 1);
    ACCEPTED(hello, good, epoch_ms, WIRE_EPOCH_MAX_MS);
    ACCEPTED(hello, good, hold, WIRE_HOLD_NONE);
    ACCEPTED(hello, good, features, 0xffffffff);
    ACCEPTED(hello, good, desc_len, 0);
    assert_true(PUT(hello, &good));
    memset(buf + 8, 0, 16);
    assert_false(GET(hello, &good));
}

static void hello_description_is_bounded(void **state)
{
    (void)state;
    static uint8_t desc[WIRE_DESC_MAX + 1];
    struct msg_hello m = sample_hello(), got;

    m.desc = desc;
    m.desc_len = WIRE_DESC_MAX;
    assert_true(PUT(hello, &m));
    assert_true(GET(hello, &got));
    size_t at = len - WIRE_DESC_MAX - 4;
    poke(at, 4, WIRE_DESC_MAX + 1);
    assert_false(GET_N(hello, &got, len + 1));
    poke(at, 4, 0xffffffff);
    assert_false(GET(hello, &got));
    m.desc_len++;
    assert_false(PUT(hello, &m));
}

static void hello_of_a_later_version_may_be_longer(void **state)
{
    (void)state;
    struct msg_hello m = sample_hello(), got;

    m.version_max = WIRE_VERSION_MAX + 1;
    assert_true(PUT(hello, &m));
    assert_true(GET_N(hello, &got, len + 20));
    assert_string_equal(got.name, m.name);
    assert_false(GET_N(hello, &got, len - 1));
}

static void hello_names_are_bounded(void **state)
{
    (void)state;
    struct msg_hello m = sample_hello(), got;

    memset(m.name, 'n', WIRE_NAME_MAX);
    m.name[WIRE_NAME_MAX] = '\0';
    assert_true(PUT(hello, &m));
    assert_true(GET(hello, &got));
    assert_string_equal(got.name, m.name);
    poke(37, 2, WIRE_NAME_MAX + 1);
    assert_false(GET(hello, &got));
    m.name[0] = '\0';
    assert_false(PUT(hello, &m));
}

static void welcome(void **state)
{
    (void)state;
    struct msg_welcome good = sample_welcome(WIRE_FEATURES_ALL), got;

    REFUSED(welcome, good, version, 0, 0, 2);
    REFUSED(welcome, good, lease_ms, 0, 6, 4);
    REFUSED(welcome, good, lease_ms, WIRE_LEASE_MAX_MS + 1, 6, 4);
    REFUSED(welcome, good, staging_pages, 0, 10, 8);
    ACCEPTED(welcome, good, lease_ms, WIRE_LEASE_MAX_MS);
    ACCEPTED(welcome, good, lease_ms, 1);
    ACCEPTED(welcome, good, staging_pages, 1);
    ACCEPTED(welcome, good, staging_pages, UINT64_MAX);
    ACCEPTED(welcome, good, features, 0xffffffff);
    assert_true(PUT(welcome, &good));
    ONLY_THIS_LENGTH(welcome, &got);
}

static void epoch_begin(void **state)
{
    (void)state;
    struct msg_epoch_begin good = sample_begin(7, WIRE_EPOCH_FULL), got;

    REFUSED(epoch_begin, good, epoch, 0, 0, 8);
    REFUSED(epoch_begin, good, flags, 2, 8, 4);
    REFUSED(epoch_begin, good, flags, 0x80000001, 8, 4);
    ACCEPTED(epoch_begin, good, flags, 0);
    ACCEPTED(epoch_begin, good, sent_ns, UINT64_MAX);
    assert_true(PUT(epoch_begin, &good));
    ONLY_THIS_LENGTH(epoch_begin, &got);
}

static void epoch_end(void **state)
{
    (void)state;
    struct msg_epoch_end good = sample_end(7, 8, 9), got;

    REFUSED(epoch_end, good, epoch, 0, 0, 8);
    ACCEPTED(epoch_end, good, pages, UINT64_MAX);
    ACCEPTED(epoch_end, good, frames, 0);
    assert_true(PUT(epoch_end, &good));
    assert_true(GET(epoch_end, &got));
    assert_memory_equal(got.digest, good.digest, 16);
    assert_memory_equal(got.image_digest, good.image_digest, 16);
    ONLY_THIS_LENGTH(epoch_end, &got);
}

static void beat_and_ack(void **state)
{
    (void)state;
    struct msg_beat beat = {.sent_ns = 5}, got_beat;
    struct msg_ack ack = {.epoch = 1, .sent_ns = 2, .lease_ms = 3}, got;

    ACCEPTED(beat, beat, sent_ns, UINT64_MAX);
    ONLY_THIS_LENGTH(beat, &got_beat);
    REFUSED(ack, ack, lease_ms, WIRE_LEASE_MAX_MS + 1, 16, 4);
    ACCEPTED(ack, ack, lease_ms, 0);
    ACCEPTED(ack, ack, lease_ms, WIRE_LEASE_MAX_MS);
    ACCEPTED(ack, ack, epoch, 0);
    ONLY_THIS_LENGTH(ack, &got);
}

static void handover_and_its_ack(void **state)
{
    (void)state;
    struct msg_handover m = {.epoch = 9, .reason = WIRE_HANDOVER_PLANNED}, got;
    struct msg_handover_ack ack = {.epoch = 9, .generation = 10}, got_ack;

    REFUSED(handover, m, epoch, 0, 0, 8);
    REFUSED(handover, m, reason, 0, 8, 1);
    REFUSED(handover, m, reason, 3, 8, 1);
    ACCEPTED(handover, m, reason, WIRE_HANDOVER_CRASHED);
    ONLY_THIS_LENGTH(handover, &got);
    REFUSED(handover_ack, ack, epoch, 0, 0, 8);
    REFUSED(handover_ack, ack, generation, 0, 8, 8);
    ACCEPTED(handover_ack, ack, epoch, 1);
    ACCEPTED(handover_ack, ack, generation, 1);
    assert_true(PUT(handover_ack, &ack));
    ONLY_THIS_LENGTH(handover_ack, &got_ack);
}

static void reject_and_bye(void **state)
{
    (void)state;
    struct msg_reject reject = sample_reject(1), got;
    struct msg_bye bye = sample_bye(1), got_bye;

    REFUSED(reject, reject, code, 0, 0, 2);
    REFUSED(reject, reject, code, 9, 0, 2);
    ACCEPTED(reject, reject, code, 8);
    ONLY_THIS_LENGTH(reject, &got);
    REFUSED(bye, bye, reason, 0, 0, 2);
    REFUSED(bye, bye, reason, 5, 0, 2);
    ACCEPTED(bye, bye, reason, 4);
    ONLY_THIS_LENGTH(bye, &got_bye);
    bye.text[0] = '\0';
    assert_false(PUT(bye, &bye));
    memset(reject.text, 't', WIRE_TEXT_MAX);
    reject.text[WIRE_TEXT_MAX] = '\0';
    assert_true(PUT(reject, &reject));
    assert_true(GET(reject, &got));
    assert_string_equal(got.text, reject.text);
}

static void short_room_is_told(void **state)
{
    (void)state;
    struct msg_hello m = sample_hello();
    struct msg_addrs a = sample_addrs(1);

    assert_true(PUT(hello, &m));
    for (size_t room = 0; room < len; room++) {
        struct wcur w = {.p = buf, .end = buf + room};
        assert_false(msg_hello_put(&w, &m));
    }
    assert_true(PUT(addrs, &a));
    struct wcur w = {.p = buf, .end = buf + len - 1};
    assert_false(msg_addrs_put(&w, &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_goes_both_ways),
        cmocka_unit_test(hello_limits),
        cmocka_unit_test(hello_description_is_bounded),
        cmocka_unit_test(hello_of_a_later_version_may_be_longer),
        cmocka_unit_test(hello_names_are_bounded),
        cmocka_unit_test(welcome),
        cmocka_unit_test(epoch_begin),
        cmocka_unit_test(epoch_end),
        cmocka_unit_test(beat_and_ack),
        cmocka_unit_test(handover_and_its_ack),
        cmocka_unit_test(reject_and_bye),
        cmocka_unit_test(short_room_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
