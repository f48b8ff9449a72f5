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

/* The two ways to stop a guest, by its kernel and by a driver in it: from one to the other, and how
 * it is resumed then. */

#define ASKED "/libxl/7/remus/kernel-asked"

static void unload_driver(void)
{
    fake_write_own("device/suspend/event-channel", "");
    fake.guest_port = 0;
}

/* The driver, when it is asked; and the kernel, which is asked then. */
static void unload_and_suspend(void)
{
    if (fake.asked_kernel)
        fake_suspend();
    else
        unload_driver();
}

static void driver_that_goes_when_asked_costs_no_stop(void **state)
{
    struct world *w = *state;
    struct err err;

    fake.guest = unload_and_suspend;
    stops(w);
    assert_int_equal(fake.asked_driver, 1);
    assert_int_equal(fake.asked_kernel, 1);
    assert_int_equal(fake.subscribed, OWN_PORT);
    assert_int_equal(xen_resume(&w->v.vm, &err), 0);
    assert_int_equal(fake.resumed_plain, 0);
}

/* Unloaded, and loaded again. */
static void listen_on_another_port(void)
{
    if (fake.asked_driver == 1) {
        fake_write_own("device/suspend/event-channel", "11");
        fake.guest_port = 0;
    } else {
        fake_suspend();
    }
}

static void driver_that_comes_back_when_asked_costs_no_stop(void **state)
{
    struct world *w = *state;
    struct err err;

    fake.guest = listen_on_another_port;
    stops(w);
    assert_int_equal(fake.asked_driver, 2);
    assert_int_equal(fake.asked_kernel, 0);
    assert_int_equal(fake.subscribed, 11);
    assert_int_equal(xen_resume(&w->v.vm, &err), 0);
    assert_int_equal(fake.resumed_plain, 1);
}

/* It may have asked the kernel, which obeys only now. */
static void guest_of_a_killed_agent_is_not_resumed_plainly(void **state)
{
    static struct world next;
    struct world *w = *state;
    struct err err;

    assert_non_null(fake_find(ASKED));
    load_driver(PLAIN);
    xen_watch_close(&w->v);
    next = (struct world){
        .x = w->x, .v = {.domid = FAKE_DOMID, .x = &next.x, .suspend.port = -1, .watch = -1}};
    assert_int_equal(xen_watch_open(&next.v, &err), 0);
    assert_int_equal(xen_suspend_open(&next.v, HV_SUSPEND_AUTO, &err), 0);
    assert_true(next.v.suspend.now.driver);
    fake.guest = fake_suspend;
    stops(&next);
    assert_int_equal(xen_resume(&next.v.vm, &err), 0);
    assert_int_equal(fake.resumed_plain, 0);
    assert_int_equal(fake.resumed_fast, 1);
    xen_suspend_close(&next.v);
    w->v.watch = next.v.watch;
}

/* Then a plain resume might be of a guest that its kernel has suspended. */
static void kernel_that_is_not_watched_forbids_a_plain_resume(void **state)
{
    struct world *w = *state;
    struct err err;

    fake.no_watch = true;
    load_driver(PLAIN);
    xen_suspend_review(&w->v);
    assert_true(w->v.suspend.now.driver);
    fake.guest = fake_suspend;
    stops(w);
    assert_int_equal(xen_resume(&w->v.vm, &err), 0);
    assert_int_equal(fake.resumed_plain, 0);
    assert_int_equal(fake.resumed_fast, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DRIVER(driver_that_goes_when_asked_costs_no_stop),
        DRIVER(driver_that_comes_back_when_asked_costs_no_stop),
        KERNEL(guest_of_a_killed_agent_is_not_resumed_plainly),
        KERNEL(kernel_that_is_not_watched_forbids_a_plain_resume),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
