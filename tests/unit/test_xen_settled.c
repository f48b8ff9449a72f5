/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN
#include <stdio.h>

int main(void)
{
    puts("built without Xen");
    return 77;
}
#else
#include "tests/unit/fake_xen_guest_util.h"

/* Protection ends while a stop that was given up on may yet be obeyed. */

static bool settled(struct world *w)
{
    return xen_settled(&w->v.vm);
}

/* As the daemon looks when it is woken. */
static void look(struct world *w)
{
    assert_int_equal(xen_gone(&w->v.vm), HV_ALIVE);
}

static void expect_resumed(struct world *w, unsigned plain, unsigned fast)
{
    look(w);
    assert_int_equal(fake.resumed_plain, plain);
    assert_int_equal(fake.resumed_fast, fast);
    assert_int_equal(fake.flags & XEN_DOMINF_shutdown, 0);
    assert_true(settled(w));
}

static void pass(struct world *w, int64_t ms)
{
    w->v.suspend.late_until = mono_add(w->v.suspend.late_until, -ms * NS_PER_MS);
}

/* A kernel takes the request off the node before it tries to freeze its tasks. */
static void take_request(void)
{
    fake_write_own("control/shutdown", "");
}

static void guest_that_was_not_asked_is_left_at_once(void **state)
{
    struct world *w = *state;
    struct err err;

    assert_true(settled(w));
    fake.guest = fake_suspend;
    assert_int_equal(xen_stop(&w->v.vm, 100, &err), 0);
    assert_int_equal(xen_resume(&w->v.vm, &err), 0);
    assert_true(settled(w));
}

static void kernel_that_has_taken_the_request_is_waited_for(void **state)
{
    struct world *w = *state;

    fake.guest = take_request;
    fails_to_stop(w);
    assert_false(settled(w));
    look(w);
    assert_false(settled(w));
    fake_suspend();
    assert_false(settled(w));
    expect_resumed(w, 0, 1);
}

/* Somebody writes into our transactions all the time when the stop is over. */
static void disturb(void)
{
    fake.conflicts = 1000;
}

static void request_that_the_kernel_has_not_taken_is_taken_back(void **state)
{
    struct world *w = *state;

    fake.guest = disturb;
    fails_to_stop(w);
    assert_string_equal(fake_find("/local/domain/7/control/shutdown")->value, "suspend");
    assert_false(settled(w));
    fake.conflicts = 0;
    assert_true(settled(w));
    assert_string_equal(fake_find("/local/domain/7/control/shutdown")->value, "");
}

static void kernel_that_never_answers_is_not_waited_for_for_ever(void **state)
{
    struct world *w = *state;

    fake.guest = take_request;
    fails_to_stop(w);
    pass(w, 59000);
    assert_false(settled(w));
    pass(w, 2000);
    assert_true(settled(w));
}

static void guest_that_has_gone_is_not_waited_for(void **state)
{
    struct world *w = *state;

    fake.guest = take_request;
    fails_to_stop(w);
    fake.there = false;
    assert_true(settled(w));
}

/* It may have seen it open just before; Xen tells us by our own channel then. */
static void driver_is_hung_up_on_and_looked_after(void **state)
{
    struct world *w = *state;

    fails_to_stop(w);
    assert_false(settled(w));
    assert_int_equal(fake.guest_port, OWN_PORT);
    assert_int_equal(fake.subscribed, OWN_PORT);
    assert_false(settled(w));
    fake_suspend();
    expect_resumed(w, 0, 1);
    assert_int_equal(fake.asked_kernel, 0);
}

static void silent_driver_is_soon_left(void **state)
{
    struct world *w = *state;

    fails_to_stop(w);
    assert_false(settled(w));
    pass(w, 1000);
    assert_true(settled(w));
}

static void driver_that_was_unloaded_is_not_waited_for(void **state)
{
    struct world *w = *state;

    fails_to_stop(w);
    fake.guest_port = 0;
    assert_true(settled(w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KERNEL(guest_that_was_not_asked_is_left_at_once),
        DRIVER(guest_that_was_not_asked_is_left_at_once),
        KERNEL(kernel_that_has_taken_the_request_is_waited_for),
        KERNEL(request_that_the_kernel_has_not_taken_is_taken_back),
        KERNEL(kernel_that_never_answers_is_not_waited_for_for_ever),
        KERNEL(guest_that_has_gone_is_not_waited_for),
        DRIVER(driver_is_hung_up_on_and_looked_after),
        DRIVER(silent_driver_is_soon_left),
        DRIVER(driver_that_was_unloaded_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
