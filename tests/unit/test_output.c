/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/output_util.h"

static void frames_are_held_under_their_epoch(void **state)
{
    (void)state;
    struct rig r;
    size_t frames, bytes, len;

    rig_open(&r, WIRE_HOLD_BACKUP);
    take(&r);
    assert_false(r.vm.net_own);
    guest_sends(&r, 1);
    output_cut(&r.o, 1);
    guest_sends(&r, 2);
    guest_sends(&r, 3);
    frameq_held(&r.o.held, 1, &frames, &bytes);
    assert_int_equal(frames, 1);
    frameq_held(&r.o.held, 2, &frames, &bytes);
    assert_int_equal(frames, 3);
    assert_int_equal(((const uint8_t *)frameq_peek(&r.o.held, 1, &len))[LEAST - 1], 1);
    assert_int_equal(output_release(&r.o, 2, SIZE_MAX), 0); /* they travel to the backup */
    assert_int_equal(accept(r.listener, NULL, NULL), -1);
    rig_close(&r);
}

/* Read after the cut: of the epoch after it, although it was sent before. */
static void frame_not_read_at_the_cut_waits_longer(void **state)
{
    (void)state;
    struct rig r;
    size_t frames, bytes;

    rig_open(&r, WIRE_HOLD_PRIMARY);
    take(&r);
    assert_int_equal(send(r.guest, buf, LEAST, 0), LEAST);
    output_cut(&r.o, 1);
    turn(&r);
    frameq_held(&r.o.held, 1, &frames, &bytes);
    assert_int_equal(frames, 0);
    frameq_held(&r.o.held, 2, &frames, &bytes);
    assert_int_equal(frames, 1);
    rig_close(&r);
}

static void frames_leave_in_order_once_sealed(void **state)
{
    (void)state;
    struct rig r;

    rig_open(&r, WIRE_HOLD_PRIMARY);
    take(&r);
    for (uint8_t epoch = 1; epoch <= 4; epoch++) {
        guest_sends(&r, epoch * 10);
        guest_sends(&r, epoch * 10 + 1);
        output_cut(&r.o, epoch);
    }
    assert_int_equal(output_release(&r.o, 0, SIZE_MAX), 0);
    arrives(r.network, 0);
    assert_int_equal(output_release(&r.o, 2, SIZE_MAX), 4);
    arrives(r.network, 10);
    arrives(r.network, 11);
    arrives(r.network, 20);
    arrives(r.network, 21);
    arrives(r.network, 0);
    assert_int_equal(output_release(&r.o, 2, SIZE_MAX), 0);
    assert_int_equal(output_release(&r.o, 9, SIZE_MAX), 4);
    arrives(r.network, 30);
    assert_int_equal(r.o.sent_frames, 8);
    rig_close(&r);
}

static void frames_for_the_guest_pass_at_once(void **state)
{
    (void)state;
    struct rig r;

    rig_open(&r, WIRE_HOLD_PRIMARY);
    take(&r);
    memset(buf, 0, LEAST);
    buf[LEAST - 1] = 7;
    assert_int_equal(send(r.network, buf, LEAST, 0), LEAST);
    turn(&r);
    arrives(r.guest, 7);
    buf[LEAST - 1] = 8;
    output_inject(&r.o, buf, LEAST); /* as from the backup */
    arrives(r.guest, 8);
    assert_int_equal(r.o.in_frames, 2);
    output_close(&r.o);
    output_inject(&r.o, buf, LEAST);
    assert_int_equal(r.o.in_frames, 2);
    assert_int_equal(r.o.in_dropped, 1);
    rig_close(&r);
}

static void frames_beyond_the_limit_are_dropped_and_counted(void **state)
{
    (void)state;
    struct rig r;

    rig_open(&r, WIRE_HOLD_PRIMARY);
    take(&r);
    for (unsigned i = 0; i < 3; i++) {
        memset(buf, (int)i, 40000);
        assert_int_equal(send(r.guest, buf, 40000, 0), 40000);
        turn(&r);
    }
    assert_int_equal(r.o.held.frames, 2);
    assert_int_equal(r.o.held.dropped, 1);
    assert_int_equal(output_release(&r.o, 1, SIZE_MAX), 2);
    rig_close(&r);
}

static void flood_does_not_keep_the_loop(void **state)
{
    (void)state;
    struct rig r;
    size_t sent = 0, after;

    rig_open(&r, WIRE_HOLD_BACKUP);
    take(&r);
    while (sent < 500 && send(r.guest, buf, LEAST, MSG_DONTWAIT) == LEAST)
        sent++;
    event_base_loop(r.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    after = r.o.held.frames;
    assert_in_range(after, 1, sent - 1);
    for (unsigned i = 0; i < 500 && r.o.held.frames < sent; i++)
        turn(&r);
    assert_int_equal(r.o.held.frames, sent);
    rig_close(&r);
}

static void nothing_is_taken_when_nothing_is_held(void **state)
{
    (void)state;
    struct rig r;
    struct err err;

    rig_open(&r, WIRE_HOLD_NONE);
    take(&r);
    assert_true(r.vm.net_own);
    assert_int_equal(output_give(&r.o, &err), 0);
    assert_int_equal(r.vm.gives, 0);
    close(r.vm.net_fd);
    rig_close(&r);
}

static void interface_is_taken_once_and_given_back(void **state)
{
    (void)state;
    struct rig r;
    struct err err;

    rig_open(&r, WIRE_HOLD_PRIMARY);
    take(&r);
    r.vm.net_fd = -1;
    assert_int_equal(output_take(&r.o, &err), 0);
    guest_sends(&r, 1);
    assert_int_equal(output_give(&r.o, &err), 0);
    assert_true(r.vm.net_own);
    assert_int_equal(r.o.held.frames, 0);
    assert_int_equal(r.o.held.dropped, 1);
    assert_int_equal(recv(r.network, buf, sizeof(buf), 0), 0); /* closed, nothing was sent */
    assert_int_equal(output_give(&r.o, &err), 0);
    assert_int_equal(r.vm.gives, 1);
    close(r.guest);
    close(r.network);
    new_guest(&r);
    take(&r);
    output_cut(&r.o, 0); /* a new session counts from the start */
    guest_sends(&r, 2);
    assert_int_equal(output_release(&r.o, 1, SIZE_MAX), 1);
    arrives(r.network, 2);
    rig_close(&r);
}

/* With hold=backup the network believes the guest to be there. */
static void returning_guest_is_announced(void **state)
{
    (void)state;
    struct rig r;
    struct err err;
    struct addr addr = {.family = 4, .mac = {2, 0, 0, 0, 0, 9}, .ip = {192, 0, 2, 9}};
    struct addr silent = {.mac = {2, 0, 0, 0, 0, 9}};
    uint8_t frame[ADDRS_ANNOUNCE_MAX], first[ADDRS_ANNOUNCE_MAX];
    size_t len = addrs_announce(&addr, frame), first_len = addrs_announce(&silent, first);

    rig_open(&r, WIRE_HOLD_BACKUP);
    take(&r);
    assert_int_equal(send(r.guest, frame, len, 0), len);
    turn(&r);
    assert_int_equal(r.o.addrs.count, 2);
    assert_int_equal(output_give(&r.o, &err), 0);
    r.network = accept(r.listener, NULL, NULL);
    assert_true(r.network >= 0);
    unsigned times = 0;
    for (ssize_t n; (n = recv(r.network, buf, sizeof(buf), 0)) > 0; times++) {
        assert_int_equal(n, first_len);
        assert_memory_equal(buf, first, first_len);
        assert_int_equal(recv(r.network, buf, sizeof(buf), 0), len);
        assert_memory_equal(buf, frame, len);
    }
    assert_true(times > 1);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_held_under_their_epoch),
        cmocka_unit_test(frame_not_read_at_the_cut_waits_longer),
        cmocka_unit_test(frames_leave_in_order_once_sealed),
        cmocka_unit_test(frames_for_the_guest_pass_at_once),
        cmocka_unit_test(frames_beyond_the_limit_are_dropped_and_counted),
        cmocka_unit_test(flood_does_not_keep_the_loop),
        cmocka_unit_test(nothing_is_taken_when_nothing_is_held),
        cmocka_unit_test(interface_is_taken_once_and_given_back),
        cmocka_unit_test(returning_guest_is_announced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
