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

/* A driver that does not do what it is asked is given up, and tried again. */

static void obeys(struct world *w)
{
    struct err err;

    fake.guest = fake_suspend;
    stops(w);
    assert_int_equal(xen_resume(&w->v.vm, &err), 0);
    fake.guest = NULL;
}

static void look(struct world *w)
{
    assert_int_equal(xen_gone(&w->v.vm), HV_ALIVE);
}

static bool used(const struct world *w)
{
    return w->v.suspend.now.driver;
}

static bool told_as_used(struct world *w)
{
    return xen_suspend_now(&w->v.vm)->driver;
}

static void pass(struct mono *t, int64_t ms)
{
    *t = mono_add(*t, -ms * NS_PER_MS);
}

/* The daemon looks so long after. */
static void look_after(struct world *w, int64_t s)
{
    pass(&w->v.suspend.trust.again, s * 1000);
    pass(&w->v.suspend.trust.since, s * 1000);
    pass(&w->v.suspend.reviewed, s * 1000);
    pass(&w->v.suspend.late_until, s * 1000);
    look(w);
}

/* Refuses at once, as often as it is asked. */
static void refuses(struct world *w, unsigned times)
{
    fake.guest = fake_raise;
    while (times--)
        fails_to_stop(w);
    fake.guest = NULL;
}

static void one_slow_answer_is_forgiven(void **state)
{
    struct world *w = *state;
    struct err err;

    for (int i = 0; i < 20; i++)
        fails_to_stop(w);
    assert_true(used(w));
    assert_int_equal(fake.asked_driver, 1);
    fake_suspend();
    assert_int_equal(xen_stop(&w->v.vm, 1, &err), 0);
    assert_int_equal(xen_resume(&w->v.vm, &err), 0);
    assert_int_equal(fake.resumed_plain, 1);
}

static void silent_driver_is_given_up(void **state)
{
    struct world *w = *state;

    fails_to_stop(w);
    pass(&w->v.suspend.trust.asked, 3000);
    for (int i = 0; i < 4; i++) {
        assert_true(used(w));
        fails_to_stop(w);
    }
    assert_false(used(w));
    assert_true(w->v.suspend.now.failed);
    fake.guest = fake_suspend;
    fails_to_stop(w); /* it may have been just about to */
    assert_int_equal(fake.asked_kernel, 0);
    look_after(w, 1);
    obeys(w);
    assert_int_equal(fake.asked_driver, 1);
    assert_int_equal(fake.asked_kernel, 1);
}

static void driver_that_refuses_is_given_up(void **state)
{
    struct world *w = *state;

    refuses(w, 4);
    assert_true(used(w));
    refuses(w, 1);
    assert_false(used(w));
    assert_int_equal(fake.asked_driver, 5);
    obeys(w);
    assert_int_equal(fake.asked_kernel, 1);
}

/* Each after two stops: what counts are requests. */
static void driver_that_refuses_late_is_given_up(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 5; i++) {
        assert_true(used(w));
        fails_to_stop(w);
        if (i < 4)
            fails_to_stop(w);
        fake_raise();
        look(w);
    }
    assert_false(used(w));
    assert_int_equal(fake.asked_driver, 5);
}

static void driver_that_works_again_starts_over(void **state)
{
    struct world *w = *state;

    refuses(w, 4);
    obeys(w);
    refuses(w, 4);
    assert_true(used(w));
}

static void driver_of_a_paused_guest_is_not_to_blame(void **state)
{
    struct world *w = *state;
    struct err err;

    fake.flags |= XEN_DOMINF_paused;
    for (int i = 0; i < 20; i++)
        fails_to_stop(w);
    pass(&w->v.suspend.trust.asked, 1000);
    assert_true(used(w));
    assert_int_equal(fake.asked_driver, 1);
    fake.flags = 0;
    fails_to_stop(w);
    assert_true(used(w));
    fake_suspend();
    assert_int_equal(xen_stop(&w->v.vm, 1, &err), 0);
    assert_int_equal(xen_resume(&w->v.vm, &err), 0);
    assert_int_equal(fake.resumed_plain, 1);
}

static void driver_is_tried_again(void **state)
{
    struct world *w = *state;

    refuses(w, 5);
    look_after(w, 29);
    assert_false(used(w));
    look_after(w, 1);
    assert_true(used(w));
    assert_false(told_as_used(w)); /* it has not done anything yet */
    assert_true(xen_suspend_now(&w->v.vm)->failed);
    obeys(w);
    assert_int_equal(fake.asked_kernel, 0);
    assert_true(told_as_used(w));
    refuses(w, 4);
    assert_true(used(w));
}

/* Told once, each time after a longer pause. */
static void driver_that_fails_again_is_left_for_longer(void **state)
{
    static const int pauses[] = {30, 60, 120, 240, 480, 600, 600};
    struct world *w = *state;
    char said[ERR_TEXT_MAX];

    refuses(w, 5);
    strcpy(said, w->v.suspend.now.why);
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        look_after(w, pauses[i] - 1);
        assert_false(used(w));
        look_after(w, 1);
        assert_true(used(w));
        assert_string_equal(xen_suspend_now(&w->v.vm)->why, said);
        refuses(w, 1);
        assert_false(used(w));
        assert_string_equal(xen_suspend_now(&w->v.vm)->why, said);
    }
}

static void driver_that_did_well_for_long_is_left_shortly(void **state)
{
    struct world *w = *state;

    refuses(w, 5);
    look_after(w, 30);
    obeys(w);
    look_after(w, 600);
    refuses(w, 5);
    look_after(w, 30);
    assert_true(used(w));
}

static void driver_that_says_something_new_is_used_at_once(void **state)
{
    struct world *w = *state;

    refuses(w, 5);
    load_driver(REFUSAL);
    look_after(w, 1);
    assert_true(used(w));
    assert_true(told_as_used(w));
}

static void driver_that_has_gone_is_not_tried(void **state)
{
    struct world *w = *state;

    refuses(w, 5);
    fake_write_own("device/suspend/event-channel", "");
    look_after(w, 1);
    load_driver(REFUSAL);
    fake.events = 0; /* nobody is told */
    look_after(w, 3600);
    assert_false(used(w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DRIVER(one_slow_answer_is_forgiven),
        DRIVER(silent_driver_is_given_up),
        REFUSING(driver_that_refuses_is_given_up),
        REFUSING(driver_that_refuses_late_is_given_up),
        REFUSING(driver_that_works_again_starts_over),
        DRIVER(driver_of_a_paused_guest_is_not_to_blame),
        REFUSING(driver_is_tried_again),
        REFUSING(driver_that_fails_again_is_left_for_longer),
        REFUSING(driver_that_did_well_for_long_is_left_shortly),
        REFUSING(driver_that_says_something_new_is_used_at_once),
        REFUSING(driver_that_has_gone_is_not_tried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
