/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fake_hv_util.h"

/* What the wrappers make of a backend that does not keep the contract. */

static unsigned ends;

static const struct hv_suspend_now *without_driver(struct hv_vm *vm)
{
    static const struct hv_suspend_now now;
    (void)vm;
    return &now;
}

static void end(struct hv_vm *vm)
{
    (void)vm;
    ends++;
}

static int attach(struct hv *hv, const struct uuid *uuid, enum hv_suspend suspend,
                  struct hv_vm **ret, struct err *err)
{
    static const struct hv_ops ops = {.suspend_now = without_driver, .end = end};
    static struct hv_vm vm = {.ops = &ops};
    (void)hv;
    (void)uuid;
    (void)suspend;
    (void)err;
    *ret = &vm;
    return 0;
}

static void vm_that_is_not_as_asked_for_is_let_go_of(void **state)
{
    static const struct hv_ops ops = {.attach = attach};
    struct hv hv = {.ops = &ops};
    struct uuid uuid = {0};
    struct hv_vm *vm = NULL;
    struct err err;
    (void)state;

    assert_int_equal(hv_attach(&hv, &uuid, HV_SUSPEND_DRIVER, &vm, &err), -1);
    assert_int_equal(errno, EIO);
    assert_null(vm); /* or its caller would end it once more */
    assert_int_equal(ends, 1);
    assert_int_equal(hv_attach(&hv, &uuid, HV_SUSPEND_COOPERATIVE, &vm, &err), 0);
    assert_non_null(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vm_that_is_not_as_asked_for_is_let_go_of)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
