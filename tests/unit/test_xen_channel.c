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

/* The event channel on which Xen tells that a guest has suspended. */

#define OWN_PORT    5 /* as the fake Xen and the driver of DRIVER have them */
#define DRIVER_PORT 9

/* Xen raises its event for us until we have gone, and for everybody afterwards. */
static void close_and_expect_given_back(struct world *w, uint32_t port)
{
    assert_int_equal(fake.subscribed, port);
    xen_suspend_close(&w->v);
    w->v.suspend.port = -1;
    assert_int_equal(fake.subscribed, 0);
}

static void subscription_is_given_back(void **state)
{
    close_and_expect_given_back(*state, OWN_PORT);
}

static void subscription_to_the_drivers_channel_is_given_back(void **state)
{
    close_and_expect_given_back(*state, DRIVER_PORT);
}

static void unload_driver(void)
{
    fake_write_own("device/suspend/event-channel", "");
    fake.guest_port = 0;
}

static void subscription_is_given_back_when_the_driver_has_gone(void **state)
{
    struct world *w = *state;

    unload_driver();
    xen_suspend_review(&w->v);
    close_and_expect_given_back(w, OWN_PORT);
}

static void subscription_is_given_back_when_nobody_saw_the_driver_go(void **state)
{
    unload_driver();
    close_and_expect_given_back(*state, DRIVER_PORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KERNEL(subscription_is_given_back),
        DRIVER(subscription_to_the_drivers_channel_is_given_back),
        DRIVER(subscription_is_given_back_when_the_driver_has_gone),
        DRIVER(subscription_is_given_back_when_nobody_saw_the_driver_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
