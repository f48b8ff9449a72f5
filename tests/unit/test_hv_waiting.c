/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fake_hv_util.h"

static void note(void *arg)
{
    ++*(unsigned *)arg;
}

static void waiting_for_a_slow_guest_is_told(void **state)
{
    (void)state;
    struct fake_vm f;
    struct err err;
    unsigned times = 0;

    fake_vm_init(&f, 1);
    hv_on_waiting(&f.vm, note, &times);
    assert_int_equal(hv_stop(&f.vm, 100, &err), 0);
    assert_int_equal(times, 1);
    assert_int_equal(hv_resume(&f.vm, &err), 0);
    hv_on_waiting(&f.vm, NULL, NULL);
    assert_int_equal(hv_stop(&f.vm, 100, &err), 0);
    assert_int_equal(times, 1);
    fake_vm_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(waiting_for_a_slow_guest_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
