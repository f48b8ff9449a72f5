/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/proto_samples.h"

/* Which record may come when: what one side cannot send, and what it does not take. */

#define ALL WIRE_FEATURES_ALL

/* ---- the way through ---- */

static void states_of_a_session(void **state)
{
    (void)state;
    struct pair p;
    struct msg_hello hello = sample_hello();
    struct msg_welcome welcome = sample_welcome(WIRE_FEATURE_LZ4);

    pair_init(&p);
    assert_int_equal(p.primary.state, SESSION_START);
    assert_true(FORTH(&p, session_put_hello, &hello));
    assert_int_equal(p.primary.state, SESSION_GREETED);
    assert_int_equal(p.backup.state, SESSION_GREETED);
    assert_true(p.backup.generation == SAMPLE_GENERATION && p.ev.generation == SAMPLE_GENERATION);
    assert_true(BACK(&p, session_put_welcome, &welcome));
    assert_int_equal(p.primary.state, SESSION_OPEN);
    assert_int_equal(p.primary.features, WIRE_FEATURE_LZ4);
    assert_int_equal(p.backup.features, WIRE_FEATURE_LZ4);
    assert_true(pair_begin(&p, WIRE_EPOCH_FULL));
    assert_int_equal(p.backup.state, SESSION_IN_EPOCH);
    assert_true(pair_finish(&p));
    assert_int_equal(p.backup.state, SESSION_OPEN);
    assert_true(pair_seal(&p));
    assert_true(p.primary.sealed == 1 && p.backup.sealed == 1);
    pair_free(&p);
}

static void many_epochs_in_flight(void **state)
{
    (void)state;
    struct pair p;

    assert_true(pair_open(&p, ALL));
    for (int i = 0; i < 5; i++)
        assert_true(pair_epoch(&p));
    struct msg_ack ack = sample_ack(&p, 3);
    assert_true(BACK(&p, session_put_ack, &ack));
    assert_true(pair_begin(&p, 0));
    assert_true(pair_seal(&p));
    assert_true(p.primary.sealed == 5);
    assert_true(pair_finish(&p));
    pair_free(&p);
}

static void generations_of_the_two_ends(void **state)
{
    (void)state;
    struct pair p;
    struct msg_hello hello = sample_hello();

    pair_init(&p);
    p.primary.generation = 0;
    assert_false(session_put_hello(&p.primary, pair_room(&p), &hello));
    assert_int_equal(p.primary.state, SESSION_START);
    pair_free(&p);
}

/* ---- version and features ---- */

static void no_common_version(void **state)
{
    (void)state;
    struct pair p;
    struct msg_hello hello = sample_hello();

    pair_init(&p);
    hello.version_min = hello.version_max = WIRE_VERSION_MAX + 1;
    assert_true(session_put_hello(&p.primary, pair_room(&p), &hello));
    assert_int_equal(pair_carry(&p, &p.backup), -1);
    assert_int_equal(p.backup.error_code, WIRE_REJECT_VERSION);
    assert_int_equal(p.backup.state, SESSION_DEAD);
    struct msg_reject reject = sample_reject(p.backup.error_code);
    assert_true(BACK(&p, session_put_reject, &reject));
    assert_true(p.ev.generation == SAMPLE_GENERATION);
    assert_int_equal(p.primary.state, SESSION_DEAD);
    pair_free(&p);
}

static void a_wider_range_of_versions_and_features_is_met(void **state)
{
    (void)state;
    struct pair p;
    struct msg_hello hello = sample_hello();
    struct msg_welcome welcome = sample_welcome(ALL);

    pair_init(&p);
    hello.version_max = WIRE_VERSION_MAX + 5;
    hello.features = 0xffffffff;
    assert_true(FORTH(&p, session_put_hello, &hello));
    welcome.features = 0x80000000;
    assert_false(session_put_welcome(&p.backup, pair_room(&p), &welcome));
    assert_true(session_says(&p.backup, "features"));
    welcome.features = ALL;
    welcome.version = WIRE_VERSION_MAX + 1;
    assert_false(session_put_welcome(&p.backup, pair_room(&p), &welcome));
    welcome.version = WIRE_VERSION_MAX;
    assert_true(BACK(&p, session_put_welcome, &welcome));
    pair_free(&p);
}

static void a_feature_not_offered_is_not_set(void **state)
{
    (void)state;
    struct pair p;
    struct msg_hello hello = sample_hello();
    struct msg_welcome welcome = sample_welcome(ALL);

    pair_init(&p);
    hello.features = WIRE_FEATURE_LZ4;
    assert_true(FORTH(&p, session_put_hello, &hello));
    assert_false(session_put_welcome(&p.backup, pair_room(&p), &welcome));
    p.backup.features = ALL; /* a backup that does not care */
    assert_true(session_put_welcome(&p.backup, pair_room(&p), &welcome));
    assert_int_equal(pair_carry(&p, &p.primary), -1);
    assert_true(session_says(&p.primary, "features"));
    pair_free(&p);
}

/* ---- epochs ---- */

static void epochs_are_numbered_from_1_and_begin_full(void **state)
{
    (void)state;
    struct pair p;
    struct msg_epoch_begin m = sample_begin(1, 0);

    assert_true(pair_open(&p, ALL));
    assert_false(session_put_epoch_begin(&p.primary, pair_room(&p), &m));
    assert_true(session_says(&p.primary, "FULL"));
    m = sample_begin(2, WIRE_EPOCH_FULL);
    assert_false(session_put_epoch_begin(&p.primary, pair_room(&p), &m));
    assert_true(pair_epoch(&p));
    m = sample_begin(3, 0);
    assert_false(session_put_epoch_begin(&p.primary, pair_room(&p), &m));
    m = sample_begin(2, WIRE_EPOCH_FULL);
    assert_true(FORTH(&p, session_put_epoch_begin, &m));
    assert_false(session_put_epoch_begin(&p.primary, pair_room(&p), &m));
    assert_true(session_says(&p.primary, "IN_EPOCH"));
    pair_free(&p);
}

static void content_needs_an_epoch(void **state)
{
    (void)state;
    struct pair p;
    struct pages_writer pw;
    struct frames_writer fw;
    struct msg_addrs addrs = sample_addrs(0);
    struct msg_state st = {.epoch = 1, .total_len = 1, .len = 1, .data = (const uint8_t *)"s"};

    assert_true(pair_open(&p, ALL));
    assert_false(session_pages_begin(&p.primary, &pw, pair_room(&p), 1));
    assert_false(session_frames_begin(&p.primary, &fw, pair_room(&p), WIRE_FRAMES));
    assert_false(session_put_state(&p.primary, pair_room(&p), &st));
    addrs.epoch = 1;
    assert_false(session_put_addrs(&p.primary, pair_room(&p), &addrs));
    assert_true(pair_begin(&p, WIRE_EPOCH_FULL));
    addrs.epoch = 2;
    assert_false(session_put_addrs(&p.primary, pair_room(&p), &addrs));
    addrs.epoch = 1;
    assert_true(FORTH(&p, session_put_addrs, &addrs));
    assert_true(FORTH(&p, session_put_state, &st));
    pair_free(&p);
}

static void the_state_comes_in_order_and_whole(void **state)
{
    (void)state;
    struct pair p;
    const uint8_t octets[10] = {0};
    struct msg_state st = {.epoch = 1, .total_len = 10, .len = 4, .data = octets};
    struct msg_epoch_end end = sample_end(1, 0, 0);

    assert_true(pair_open(&p, ALL));
    assert_true(pair_begin(&p, WIRE_EPOCH_FULL));
    assert_false(session_put_epoch_end(&p.primary, pair_room(&p), &end));
    st.offset = 1;
    assert_false(session_put_state(&p.primary, pair_room(&p), &st));
    st.offset = 0;
    assert_true(FORTH(&p, session_put_state, &st));
    assert_false(session_put_state(&p.primary, pair_room(&p), &st)); /* again */
    st.offset = 5;
    assert_false(session_put_state(&p.primary, pair_room(&p), &st)); /* gap */
    st.offset = 4;
    st.total_len = 9;
    assert_false(session_put_state(&p.primary, pair_room(&p), &st)); /* another total */
    st.total_len = 10;
    assert_false(session_put_epoch_end(&p.primary, pair_room(&p), &end));
    st.len = 6;
    assert_true(FORTH(&p, session_put_state, &st));
    st.offset = 10;
    st.len = 0;
    assert_false(session_put_state(&p.primary, pair_room(&p), &st)); /* more than whole */
    assert_true(FORTH(&p, session_put_epoch_end, &end));
    pair_free(&p);
}

static void counts_must_be_right(void **state)
{
    (void)state;
    struct pair p;
    const uint8_t octet = 0;
    struct msg_state st = {.epoch = 1, .total_len = 1, .len = 1, .data = &octet};

    assert_true(pair_open(&p, ALL));
    assert_true(pair_begin(&p, WIRE_EPOCH_FULL));
    assert_true(FORTH(&p, session_put_state, &st));
    struct msg_epoch_end end = sample_end(1, 1, 0);
    assert_false(session_put_epoch_end(&p.primary, pair_room(&p), &end));
    end = sample_end(1, 0, 1);
    assert_false(session_put_epoch_end(&p.primary, pair_room(&p), &end));
    end = sample_end(2, 0, 0);
    assert_false(session_put_epoch_end(&p.primary, pair_room(&p), &end));
    end = sample_end(1, 0, 0);
    assert_true(FORTH(&p, session_put_epoch_end, &end));
    pair_free(&p);
}

/* ---- acknowledgements ---- */

static void acks_grow_and_name_ended_epochs(void **state)
{
    (void)state;
    struct pair p;

    assert_true(pair_open(&p, ALL));
    struct msg_ack ack = sample_ack(&p, 1);
    assert_false(session_put_ack(&p.backup, pair_room(&p), &ack));
    assert_true(pair_begin(&p, WIRE_EPOCH_FULL));
    assert_false(session_put_ack(&p.backup, pair_room(&p), &ack));
    assert_true(pair_finish(&p));
    ack.epoch = 0;
    assert_false(session_put_ack(&p.backup, pair_room(&p), &ack));
    ack.epoch = 2;
    assert_false(session_put_ack(&p.backup, pair_room(&p), &ack));
    ack.epoch = 1;
    assert_true(BACK(&p, session_put_ack, &ack));
    assert_false(session_put_ack(&p.backup, pair_room(&p), &ack));
    pair_free(&p);
}

static void echoes_were_really_sent(void **state)
{
    (void)state;
    struct pair p;
    struct msg_beat beat = {.sent_ns = 5000};

    assert_true(pair_open(&p, ALL));
    assert_true(FORTH(&p, session_put_beat, &beat));
    struct msg_ack ack = {.sent_ns = 5001, .lease_ms = 1};
    assert_false(session_put_beat_ack(&p.backup, pair_room(&p), &ack));
    p.backup.sent_ns = UINT64_MAX; /* a backup that does not care */
    assert_true(session_put_beat_ack(&p.backup, pair_room(&p), &ack));
    assert_int_equal(pair_carry(&p, &p.primary), -1);
    assert_true(session_says(&p.primary, "never sent"));
    pair_free(&p);
}

static void beat_acks_name_the_last_ack(void **state)
{
    (void)state;
    struct pair p;
    struct msg_ack ack = {.epoch = 1};

    assert_true(pair_open(&p, ALL));
    assert_true(pair_epoch(&p));
    assert_false(session_put_beat_ack(&p.backup, pair_room(&p), &ack));
    ack.epoch = 0;
    assert_true(BACK(&p, session_put_beat_ack, &ack));
    assert_true(pair_seal(&p));
    assert_false(session_put_beat_ack(&p.backup, pair_room(&p), &ack));
    ack.epoch = 1;
    assert_true(BACK(&p, session_put_beat_ack, &ack));
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_of_a_session),
        cmocka_unit_test(many_epochs_in_flight),
        cmocka_unit_test(generations_of_the_two_ends),
        cmocka_unit_test(no_common_version),
        cmocka_unit_test(a_wider_range_of_versions_and_features_is_met),
        cmocka_unit_test(a_feature_not_offered_is_not_set),
        cmocka_unit_test(epochs_are_numbered_from_1_and_begin_full),
        cmocka_unit_test(content_needs_an_epoch),
        cmocka_unit_test(the_state_comes_in_order_and_whole),
        cmocka_unit_test(counts_must_be_right),
        cmocka_unit_test(acks_grow_and_name_ended_epochs),
        cmocka_unit_test(echoes_were_really_sent),
        cmocka_unit_test(beat_acks_name_the_last_ack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
