/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/proto_samples.h"

/* How a session ends: handover, BYE, REJECT. */

#define ALL WIRE_FEATURES_ALL

/* ---- handover ---- */

static void planned_handover(void **state)
{
    (void)state;
    struct pair p;
    struct msg_handover m = {.epoch = 2, .reason = WIRE_HANDOVER_PLANNED};
    struct msg_handover_ack ack = {.epoch = 2, .generation = SAMPLE_GENERATION};
    struct msg_beat beat = {.sent_ns = 1};

    assert_true(pair_open(&p, ALL));
    assert_false(session_put_handover(&p.primary, pair_room(&p), &m)); /* nothing sealed */
    assert_true(pair_epoch(&p) && pair_seal(&p) && pair_begin(&p, 0));
    assert_false(session_put_handover(&p.primary, pair_room(&p), &m)); /* inside an epoch */
    assert_true(pair_finish(&p));
    assert_false(session_put_handover(&p.primary, pair_room(&p), &m)); /* 2 is not sealed */
    assert_true(pair_seal(&p));
    m.epoch = 1;
    assert_false(session_put_handover(&p.primary, pair_room(&p), &m));
    m.epoch = 2;
    assert_false(session_put_handover_ack(&p.backup, pair_room(&p), &ack)); /* not asked for */
    assert_true(FORTH(&p, session_put_handover, &m));
    assert_int_equal(p.backup.state, SESSION_HANDED);
    assert_true(FORTH(&p, session_put_beat, &beat));
    struct msg_epoch_begin begin = sample_begin(3, 0);
    assert_false(session_put_epoch_begin(&p.primary, pair_room(&p), &begin));
    assert_false(session_put_handover_ack(&p.backup, pair_room(&p), &ack)); /* same generation */
    ack.generation++;
    assert_true(BACK(&p, session_put_handover_ack, &ack));
    assert_false(session_put_handover_ack(&p.backup, pair_room(&p), &ack)); /* again */
    struct msg_ack beat_ack = {.epoch = 2};
    assert_false(session_put_beat_ack(&p.backup, pair_room(&p), &beat_ack));
    pair_free(&p);
}

static void handover_after_a_crash_leaves_unsealed_epochs_behind(void **state)
{
    (void)state;
    struct pair p;
    struct msg_handover m = {.epoch = 2, .reason = WIRE_HANDOVER_CRASHED};
    struct msg_handover_ack ack = {.epoch = 1, .generation = SAMPLE_GENERATION + 1};

    assert_true(pair_open(&p, ALL));
    assert_true(pair_epoch(&p) && pair_seal(&p) && pair_epoch(&p));
    assert_false(session_put_handover(&p.primary, pair_room(&p), &m)); /* 2 is not sealed */
    m.epoch = 1;
    assert_true(FORTH(&p, session_put_handover, &m));
    assert_true(BACK(&p, session_put_handover_ack, &ack));
    pair_free(&p);
}

static void handover_after_a_crash_meets_a_later_seal(void **state)
{
    (void)state;
    struct pair p;
    struct msg_handover m = {.epoch = 1, .reason = WIRE_HANDOVER_CRASHED};

    assert_true(pair_open(&p, ALL));
    assert_true(pair_epoch(&p) && pair_seal(&p) && pair_epoch(&p));
    struct msg_ack second = sample_ack(&p, 2);
    uint8_t crossing[64];
    struct wcur w = {.p = crossing, .end = crossing + sizeof(crossing)};
    assert_true(session_put_ack(&p.backup, &w, &second)); /* still on its way */
    assert_true(FORTH(&p, session_put_handover, &m));
    assert_int_equal(pair_recv(&p, &p.primary, crossing, (size_t)(w.p - crossing)), 1);
    struct msg_handover_ack ack = {.epoch = 2, .generation = SAMPLE_GENERATION + 1};
    assert_true(BACK(&p, session_put_handover_ack, &ack));
    pair_free(&p);
}

/* ---- the end ---- */

static void bye_is_acknowledged_and_is_the_last_word(void **state)
{
    (void)state;
    struct pair p;
    struct msg_bye bye = sample_bye(WIRE_BYE_UNPROTECT);
    struct msg_beat beat = {.sent_ns = 1};

    assert_true(pair_open(&p, ALL));
    assert_true(pair_epoch(&p));
    assert_false(session_put_bye_ack(&p.backup, pair_room(&p)));
    assert_true(FORTH(&p, session_put_bye, &bye));
    assert_int_equal(p.primary.state, SESSION_CLOSING);
    assert_int_equal(p.backup.state, SESSION_CLOSING);
    assert_false(session_put_beat(&p.primary, pair_room(&p), &beat));
    assert_false(session_put_bye(&p.primary, pair_room(&p), &bye));
    assert_true(pair_seal(&p)); /* what was begun may be finished */
    assert_true(session_put_bye_ack(&p.backup, pair_room(&p)));
    assert_int_equal(pair_carry(&p, &p.primary), 1);
    assert_int_equal(p.ev.type, WIRE_BYE_ACK);
    assert_false(session_put_bye_ack(&p.backup, pair_room(&p)));
    struct msg_ack ack = {.epoch = 1};
    assert_false(session_put_beat_ack(&p.backup, pair_room(&p), &ack));
    pair_free(&p);
}

static void byes_may_cross_inside_an_epoch(void **state)
{
    (void)state;
    struct pair p;
    struct msg_bye bye = sample_bye(WIRE_BYE_SHUTDOWN);
    uint8_t crossing[512];
    struct wcur w = {.p = crossing, .end = crossing + sizeof(crossing)};

    assert_true(pair_open(&p, ALL));
    assert_true(pair_begin(&p, WIRE_EPOCH_FULL));
    assert_true(session_put_bye(&p.backup, &w, &bye));
    assert_true(pair_finish(&p)); /* the backup still takes it */
    assert_true(FORTH(&p, session_put_bye, &bye));
    assert_int_equal(pair_recv(&p, &p.primary, crossing, (size_t)(w.p - crossing)), 1);
    assert_true(session_put_bye_ack(&p.primary, pair_room(&p)));
    assert_int_equal(pair_carry(&p, &p.backup), 1);
    assert_true(session_put_bye_ack(&p.backup, pair_room(&p)));
    assert_int_equal(pair_carry(&p, &p.primary), 1);
    pair_free(&p);
}

static void nothing_comes_after_reject_but_reject(void **state)
{
    (void)state;
    struct pair p;
    struct msg_reject m = sample_reject(WIRE_REJECT_FENCED);
    struct msg_beat beat = {.sent_ns = 1};
    size_t used, need;

    assert_true(pair_open(&p, ALL));
    assert_true(BACK(&p, session_put_reject, &m));
    assert_int_equal(p.ev.u.reject.code, WIRE_REJECT_FENCED);
    assert_int_equal(p.primary.state, SESSION_DEAD);
    assert_false(session_put_beat(&p.primary, pair_room(&p), &beat));
    assert_true(session_put_reject(&p.backup, pair_room(&p), &m));
    assert_int_equal(session_recv(&p.primary, p.out, pair_taken(&p), &p.ev, &used, &need), -1);
    assert_int_not_equal(p.primary.error[0], '\0');
    pair_free(&p);
}

static void a_backup_rejects_what_never_said_hello(void **state)
{
    (void)state;
    struct pair p;
    struct msg_reject m = sample_reject(WIRE_REJECT_PROTOCOL);
    struct msg_hello hello = sample_hello();

    pair_init(&p);
    assert_true(session_put_hello(&p.primary, pair_room(&p), &hello));
    assert_true(BACK(&p, session_put_reject, &m));
    assert_true(p.ev.generation == 0);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planned_handover),
        cmocka_unit_test(handover_after_a_crash_leaves_unsealed_epochs_behind),
        cmocka_unit_test(handover_after_a_crash_meets_a_later_seal),
        cmocka_unit_test(bye_is_acknowledged_and_is_the_last_word),
        cmocka_unit_test(byes_may_cross_inside_an_epoch),
        cmocka_unit_test(nothing_comes_after_reject_but_reject),
        cmocka_unit_test(a_backup_rejects_what_never_said_hello),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
