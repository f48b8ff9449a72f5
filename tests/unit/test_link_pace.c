/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/link/link_pace.h"

/** A link of `rate` octets per second under a sender that always fills the budget, for `ms`. */
static void saturate(struct link_pace *p, struct mono *now, size_t rate, int ms)
{
    size_t queued = 0, per_ms = rate / 1000;

    for (int i = 0; i < ms; i++) {
        while (queued <= p->budget) {
            queued += 4096;
            link_pace_queued(p, *now, queued);
        }
        *now = mono_add(*now, NS_PER_MS);
        size_t n = per_ms < queued ? per_ms : queued;
        queued -= n;
        link_pace_sent(p, *now, n, queued);
    }
}

static void slow_link_shrinks_to_what_it_takes(void **state)
{
    struct link_pace p;
    struct mono now = {0};
    (void)state;

    link_pace_init(&p, 4u << 20);
    saturate(&p, &now, 1000000, 500);
    assert_in_range(p.budget, 49000, 51000); /* 50 ms at 1 MB/s */
}

static void never_below_the_least(void **state)
{
    struct link_pace p;
    struct mono now = {0};
    (void)state;

    link_pace_init(&p, 4u << 20);
    saturate(&p, &now, 1000, 500);
    assert_int_equal(p.budget, LINK_PACE_MIN);
    link_pace_init(&p, 1);
    assert_int_equal(p.budget, LINK_PACE_MIN);
}

static void draining_grows_up_to_the_limit(void **state)
{
    struct link_pace p;
    struct mono now = {0};
    (void)state;

    link_pace_init(&p, 4u << 20);
    for (int i = 0; i < 10; i++) {
        link_pace_queued(&p, now, p.budget);
        link_pace_sent(&p, now, p.budget, 0);
    }
    assert_int_equal(p.budget, 4u << 20);
}

static void little_traffic_proves_nothing(void **state)
{
    struct link_pace p;
    struct mono now = {0};
    (void)state;

    link_pace_init(&p, 4u << 20);
    for (int i = 0; i < 1000; i++) {
        now = mono_add(now, NS_PER_MS);
        link_pace_queued(&p, now, 1000);
        link_pace_sent(&p, now, 1000, 0);
    }
    assert_int_equal(p.budget, LINK_PACE_START);
}

static void recovers_when_the_link_does(void **state)
{
    struct link_pace p;
    struct mono now = {0};
    (void)state;

    link_pace_init(&p, 4u << 20);
    saturate(&p, &now, 200000, 500);
    size_t slow = p.budget;
    saturate(&p, &now, 100000000, 500);
    assert_true(p.budget > slow * 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_link_shrinks_to_what_it_takes),
        cmocka_unit_test(never_below_the_least),
        cmocka_unit_test(draining_grows_up_to_the_limit),
        cmocka_unit_test(little_traffic_proves_nothing),
        cmocka_unit_test(recovers_when_the_link_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
