/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/output_util.h"

/* What fails leaves the guest on its own network. */

static void guest_that_is_gone_is_let_go(void **state)
{
    (void)state;
    struct rig r;
    struct err err;

    rig_open(&r, WIRE_HOLD_PRIMARY);
    take(&r);
    guest_sends(&r, 5);
    close(r.guest);
    close(r.network);
    turn(&r);
    turn(&r);
    assert_int_equal(event_base_get_num_events(r.base, EVENT_BASE_COUNT_ADDED), 0);
    memset(buf, 0, LEAST);
    output_inject(&r.o, buf, LEAST);
    assert_int_equal(r.o.in_dropped, 1);
    assert_int_equal(output_release(&r.o, 1, SIZE_MAX),
                     1); /* out of the queue, and nowhere to go */
    assert_int_equal(r.o.sent_frames, 0);
    assert_int_equal(output_give(&r.o, &err), 0);
    r.guest = r.network = -1;
    rig_close(&r);
}

static void network_that_is_gone_is_told(void **state)
{
    (void)state;
    struct rig r;

    rig_open(&r, WIRE_HOLD_PRIMARY);
    take(&r);
    guest_sends(&r, 5);
    assert_string_equal(r.trouble, "");
    close(r.network);
    turn(&r);
    assert_non_null(strstr(r.trouble, "hears nothing"));
    assert_int_equal(output_release(&r.o, 1, SIZE_MAX), 1);
    assert_non_null(strstr(r.trouble, "no frame of the guest leaves"));
    assert_int_equal(r.o.out_dropped, 1);
    r.network = -1;
    rig_close(&r);
}

static int open_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void network_that_cannot_be_reached_takes_nothing(void **state)
{
    (void)state;
    struct rig r;
    struct err err = {0};

    rig_open(&r, WIRE_HOLD_PRIMARY);
    unlink(r.path);
    assert_int_equal(output_take(&r.o, &err), -1);
    assert_true(err.text[0] &&
                r.vm.net_own); /* taken first, as a TAP has one user, and given back */
    close(r.vm.net_fd);
    r.vm.net_fd = -1;
    int before = open_descriptors();
    r.vm.fail = (struct fake_fail){"net_take", EBUSY, 1};
    r.o.hold = WIRE_HOLD_BACKUP;
    assert_int_equal(output_take(&r.o, &err), -1);
    assert_true(r.vm.net_own);
    assert_int_equal(open_descriptors(), before);
    rig_close(&r);
}

static void interface_that_is_no_port_is_given_back(void **state)
{
    (void)state;
    struct rig r;
    struct err err = {0};

    rig_open(&r, WIRE_HOLD_BACKUP);
    close(r.vm.net_fd);
    int before = open_descriptors();
    r.vm.net_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(output_take(&r.o, &err), -1);
    assert_true(err.text[0] != '\0');
    assert_true(r.vm.net_own);
    assert_int_equal(open_descriptors(), before);
    rig_close(&r);
}

static void interface_not_given_back_is_tried_again(void **state)
{
    (void)state;
    struct rig r;
    struct err err = {0};

    rig_open(&r, WIRE_HOLD_BACKUP);
    take(&r);
    r.vm.fail = (struct fake_fail){"net_give", EAGAIN, 1};
    assert_int_equal(output_give(&r.o, &err), -1);
    assert_false(r.vm.net_own);
    assert_int_equal(output_give(&r.o, &err), 0);
    assert_true(r.vm.net_own);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_that_cannot_be_reached_takes_nothing),
        cmocka_unit_test(interface_that_is_no_port_is_given_back),
        cmocka_unit_test(interface_not_given_back_is_tried_again),
        cmocka_unit_test(guest_that_is_gone_is_let_go),
        cmocka_unit_test(network_that_is_gone_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
