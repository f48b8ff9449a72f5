/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/net/frameq.h"
#include "engine/net/port.h"

#define BIG (16u << 20)

/** A frame whose bytes tell its number, so that a mix-up shows. */
static size_t make_frame(uint8_t *buf, uint64_t number, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf[i] = (uint8_t)(number * 31 + i);
    memcpy(buf, &number, sizeof(number));
    return len;
}

static void push_number(struct frameq *q, uint64_t epoch, uint64_t number, size_t len)
{
    static uint8_t buf[PORT_FRAME_MAX];

    assert_int_equal(frameq_push(q, epoch, buf, make_frame(buf, number, len)), 0);
}

static void expect_number(struct frameq *q, uint64_t upto, uint64_t number, size_t want_len)
{
    static uint8_t want[PORT_FRAME_MAX];
    size_t len = 0;
    const void *frame = frameq_peek(q, upto, &len);

    assert_non_null(frame);
    assert_int_equal(len, want_len);
    make_frame(want, number, want_len);
    assert_memory_equal(frame, want, want_len);
    frameq_pop(q);
}

static void i1_no_frame_leaves_before_its_epoch_is_sealed(void **state)
{
    (void)state;
    struct frameq q;
    size_t len;

    frameq_init(&q, BIG);
    push_number(&q, 5, 1, 100);
    push_number(&q, 5, 2, 200);
    push_number(&q, 6, 3, 300);
    assert_null(frameq_peek(&q, 0, &len));
    assert_null(frameq_peek(&q, 4, &len));
    expect_number(&q, 5, 1, 100);
    expect_number(&q, 5, 2, 200);
    assert_null(frameq_peek(&q, 5, &len));
    expect_number(&q, 6, 3, 300);
    assert_null(frameq_peek(&q, UINT64_MAX, &len));
    frameq_free(&q);
    assert_int_equal(q.dropped, 0);
}

static void held_counts_only_sealed_epochs(void **state)
{
    (void)state;
    struct frameq q;
    size_t frames, bytes;

    frameq_init(&q, BIG);
    push_number(&q, 1, 1, 60);
    push_number(&q, 2, 2, 61);
    push_number(&q, 2, 3, 62);
    push_number(&q, 4, 4, 63);
    frameq_held(&q, 0, &frames, &bytes);
    assert_int_equal(frames + bytes, 0);
    frameq_held(&q, 3, &frames, &bytes);
    assert_int_equal(frames, 3);
    assert_int_equal(bytes, 60 + 61 + 62);
    frameq_held(&q, UINT64_MAX, &frames, &bytes);
    assert_int_equal(frames, q.frames);
    assert_int_equal(bytes, q.bytes);
    frameq_free(&q);
}

static void limit_drops_and_counts_then_recovers(void **state)
{
    (void)state;
    static uint8_t buf[1500];
    struct frameq q;
    uint64_t taken = 0;

    frameq_init(&q, 100000);
    while (frameq_push(&q, 1, buf, sizeof(buf)) == 0)
        taken++;
    assert_int_equal(errno, ENOBUFS);
    assert_int_equal(q.frames, taken);
    assert_true(q.bytes <= 100000 && q.bytes > 90000);
    assert_int_equal(q.dropped, 1);
    assert_int_equal(q.dropped_bytes, sizeof(buf));
    frameq_pop(&q);
    assert_int_equal(frameq_push(&q, 1, buf, sizeof(buf)), 0);
    frameq_free(&q);
}

static void tiny_frames_count_with_their_bookkeeping(void **state)
{
    (void)state;
    struct frameq q;

    frameq_init(&q, 1000);
    while (frameq_push(&q, 1, "x", 1) == 0)
        ;
    assert_true(q.frames < 100);
    frameq_free(&q);
}

static void clear_counts_what_it_drops_and_epochs_may_restart(void **state)
{
    (void)state;
    struct frameq q;
    size_t len;

    frameq_init(&q, BIG);
    for (uint64_t i = 0; i < 1000; i++)
        push_number(&q, 90, i, 1000);
    frameq_clear(&q);
    assert_int_equal(q.dropped, 1000);
    assert_int_equal(q.dropped_bytes, 1000000);
    assert_int_equal(q.frames + q.bytes, 0);
    assert_null(frameq_peek(&q, UINT64_MAX, &len));
    push_number(&q, 1, 7, 64);
    expect_number(&q, 1, 7, 64);
    frameq_free(&q);
}

static size_t length_of(uint64_t number)
{
    static const size_t some[] = {24, 70, 1524, 9024, 20010, PORT_FRAME_MAX};

    return some[number * 2654435761u % 6];
}

/* Against a model that is just two numbers: what goes in comes out, once, in order, unharmed. */
static void random_pushes_and_pops_keep_order_and_content(void **state)
{
    (void)state;
    struct frameq q;
    uint64_t in = 0, out = 0;

    srand(3);
    frameq_init(&q, BIG);
    for (int step = 0; step < 200; step++) {
        for (int n = rand() % 40; n > 0; n--, in++)
            push_number(&q, in / 8, in, length_of(in));
        for (int n = rand() % 60; n > 0 && out < in; n--, out++)
            expect_number(&q, out / 8, out, length_of(out));
        assert_int_equal(q.frames, in - out);
    }
    for (; out < in; out++)
        expect_number(&q, UINT64_MAX, out, length_of(out));
    assert_int_equal(q.bytes, 0);
    frameq_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(i1_no_frame_leaves_before_its_epoch_is_sealed),
        cmocka_unit_test(held_counts_only_sealed_epochs),
        cmocka_unit_test(limit_drops_and_counts_then_recovers),
        cmocka_unit_test(tiny_frames_count_with_their_bookkeeping),
        cmocka_unit_test(clear_counts_what_it_drops_and_epochs_may_restart),
        cmocka_unit_test(random_pushes_and_pops_keep_order_and_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
