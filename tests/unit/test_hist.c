/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/base/hist.h"

static struct hist h;

static int fresh(void **state)
{
    (void)state;
    hist_init(&h);
    return 0;
}

static void empty_is_zero(void **state)
{
    (void)state;
    assert_int_equal(hist_percentile(&h, 50), 0);
    assert_int_equal(h.max, 0);
    assert_int_equal(h.last, 0);
}

static void one_sample_is_every_percentile(void **state)
{
    (void)state;
    hist_add(&h, -5);
    assert_int_equal(hist_percentile(&h, 0), -5);
    assert_int_equal(hist_percentile(&h, 50), -5);
    assert_int_equal(hist_percentile(&h, 100), -5);
    assert_int_equal(h.max, -5);
}

/* Among 1..100 the p-th percentile by nearest rank is p itself. */
static void nearest_rank(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        hist_add(&h, (i * 37) % 100 + 1);
    for (int p = 1; p <= 100; p++)
        assert_int_equal(hist_percentile(&h, p), p);
    assert_int_equal(hist_percentile(&h, 0), 1);
    assert_int_equal(hist_percentile(&h, 99.5), 100);
    assert_int_equal(hist_percentile(&h, 0.1), 1);
}

static void window_forgets_but_max_does_not(void **state)
{
    (void)state;
    hist_add(&h, 1000000);
    for (int i = 0; i < HIST_WINDOW; i++)
        hist_add(&h, 7);
    assert_int_equal(hist_percentile(&h, 100), 7);
    assert_int_equal(h.max, 1000000);
    assert_int_equal(h.last, 7);
    assert_int_equal(h.filled, HIST_WINDOW);
    hist_add(&h, 8);
    assert_int_equal(hist_percentile(&h, 100), 8);
    assert_int_equal(hist_percentile(&h, 50), 7);
    assert_int_equal(h.last, 8);
}

static void out_of_range_percentiles_are_the_ends(void **state)
{
    (void)state;
    hist_add(&h, 1);
    hist_add(&h, 2);
    assert_int_equal(hist_percentile(&h, -3), 1);
    assert_int_equal(hist_percentile(&h, 300), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(empty_is_zero, fresh),
        cmocka_unit_test_setup(one_sample_is_every_percentile, fresh),
        cmocka_unit_test_setup(nearest_rank, fresh),
        cmocka_unit_test_setup(window_forgets_but_max_does_not, fresh),
        cmocka_unit_test_setup(out_of_range_percentiles_are_the_ends, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
