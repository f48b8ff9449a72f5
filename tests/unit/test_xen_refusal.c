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

/* A driver that raises an event when it does not suspend; and events that are none of its. */

static void look(struct world *w)
{
    assert_int_equal(xen_gone(&w->v.vm), HV_ALIVE);
}

static void suspend_at_fifth_look(void)
{
    if (fake.looked == 5)
        fake_shut_down_unheard(SHUTDOWN_suspend);
}

static void refusal_ends_the_stop(void **state)
{
    struct world *w = *state;

    fake.guest = fake_raise;
    fails_within(w, 10000);
    fails_within(w, 10000);
    assert_int_equal(fake.asked_driver, 2);
}

static void late_refusal_ends_the_request(void **state)
{
    struct world *w = *state;

    fails_within(w, 1);
    fails_within(w, 1);
    assert_int_equal(fake.asked_driver, 1);
    fake_raise();
    look(w);
    fake.guest = fake_suspend;
    stops(w);
    assert_int_equal(fake.asked_driver, 2);
}

static void late_suspend_is_no_refusal(void **state)
{
    struct world *w = *state;

    fails_within(w, 1);
    fake_suspend();
    look(w);
    assert_int_equal(fake.resumed_plain, 1);
    assert_int_equal(fake.flags & XEN_DOMINF_shutdown, 0);
}

/* Xen raises one on each channel that is made, and those of a channel that was closed may still
 * wait. */
static void first_events_are_no_refusal(void **state)
{
    struct world *w = *state;

    fake.on_look = suspend_at_fifth_look;
    stops(w);
    assert_int_equal(fake.asked_driver, 1);
}

static void reconnect(struct world *w)
{
    fake.guest_port = 0;
    xen_suspend_review(&w->v);
    assert_true(w->v.suspend.now.driver);
}

static void first_events_after_a_reconnect_are_no_refusal(void **state)
{
    struct world *w = *state;

    fake_raise();
    reconnect(w);
    fake.looked = 0;
    fake.on_look = suspend_at_fifth_look;
    stops(w);
    assert_int_equal(fake.asked_driver, 1);
}

/* Of a dom0 with several CPUs Xen's own event may come when the driver has already been asked. */
static void first_event_that_is_late_is_no_refusal(void **state)
{
    struct world *w = *state;

    reconnect(w);
    fake.raised_count = 0;
    fake.masked = false;
    fake_calm(fake.channel);
    fake.guest = fake_raise;
    fake.looked = 0;
    fake.on_look = suspend_at_fifth_look;
    stops(w);
    assert_int_equal(fake.asked_driver, 1);
}

/* An event that was no refusal, but one of many. */
static void suspends_after_all(struct world *w)
{
    fake.guest = fake_raise;
    fails_within(w, 10000);
    fake_suspend();
    look(w);
    assert_int_equal(fake.flags & XEN_DOMINF_shutdown, 0);
}

static void events_of_a_driver_that_suspends_after_all_are_no_refusals(void **state)
{
    struct world *w = *state;
    struct err err;

    suspends_after_all(w);
    for (int i = 0; i < 3; i++) {
        fake.looked = 0;
        fake.on_look = suspend_at_fifth_look;
        stops(w);
        fake.on_look = NULL;
        assert_int_equal(xen_resume(&w->v.vm, &err), 0);
    }
    assert_int_equal(fake.asked_driver, 4);
}

/* Another tool may have asked the guest's kernel. */
static void refusal_before_the_kernel_suspends_is_one(void **state)
{
    struct world *w = *state;

    xen_suspend_kernel_asked(&w->v);
    suspends_after_all(w);
    fails_within(w, 10000);
    fails_within(w, 10000);
    assert_int_equal(fake.asked_driver, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REFUSING(refusal_ends_the_stop),
        REFUSING(late_refusal_ends_the_request),
        REFUSING(late_suspend_is_no_refusal),
        FRESH(first_events_are_no_refusal),
        REFUSING(first_events_after_a_reconnect_are_no_refusal),
        REFUSING(first_event_that_is_late_is_no_refusal),
        REFUSING(events_of_a_driver_that_suspends_after_all_are_no_refusals),
        REFUSING(refusal_before_the_kernel_suspends_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
