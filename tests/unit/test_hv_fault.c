/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/sim_process.h"

static struct hv *open_fault(struct sim_test *t, char plan[96])
{
    char conf[80];
    struct hv *hv;
    struct err err = {0};

    snprintf(plan, 96, "%s/plan", t->dir);
    assert_int_equal(setenv("REMUS_HV_FAULT_FILE", plan, 1), 0);
    snprintf(conf, sizeof(conf), "sim:%s", t->dir);
    if (hv_open("fault", conf, &hv, &err))
        fail_msg("%s", err.text);
    return hv;
}

static void arm(const char *plan, const char *lines)
{
    unlink(plan);
    FILE *to = fopen(plan, "w");
    assert_non_null(to);
    fputs(lines, to);
    assert_int_equal(fclose(to), 0);
}

static void armed_operations_fail_without_being_done(void **state)
{
    struct sim_test *t = *state;
    char plan[96];
    struct hv_vm *vm;
    struct err err;

    sim_test_start(t, NULL);
    struct hv *hv = open_fault(t, plan);
    arm(plan, "attach ENOMEM\n");
    assert_int_equal(hv_attach(hv, &t->uuid, HV_SUSPEND_AUTO, &vm, &err), -1);
    assert_int_equal(errno, ENOMEM);
    arm(plan, "# comment\n\nstop 2 ETIMEDOUT # the second\nresume 1 5\n");
    assert_int_equal(hv_attach(hv, &t->uuid, HV_SUSPEND_AUTO, &vm, &err), 0);
    assert_int_equal(hv_stop(vm, 1000, &err), 0);
    assert_int_equal(hv_resume(vm, &err), -1);
    assert_int_equal(errno, EIO);
    assert_true(hv_stopped(vm));
    assert_int_equal(hv_resume(vm, &err), 0);
    assert_int_equal(hv_stop(vm, 1000, &err), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_false(hv_stopped(vm));
    assert_int_equal(hv_stop(vm, 1000, &err), 0);
    unlink(plan);
    assert_int_equal(hv_resume(vm, &err), 0);
    hv_end(vm);
    hv_close(hv);
}

static void wrong_plan_is_seen(void **state)
{
    static const char *const bad[] = {"stop\n", "stop EWHAT\n", "stop 0 EIO\n", "stop x EIO\n"};
    struct sim_test *t = *state;
    char plan[96];
    struct hv_info info;
    struct err err;

    struct hv *hv = open_fault(t, plan);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        arm(plan, bad[i]);
        assert_int_equal(hv_find(hv, "x", &info, &err), -1);
        assert_int_equal(errno, EINVAL);
    }
    hv_close(hv);
    assert_int_equal(hv_open("fault", "sim", &hv, &err), -1);
    assert_int_equal(hv_open("none such", "", &hv, &err), -1);
    assert_int_equal(errno, ENOENT);
}

/* A VM is given up, or its record dropped, by this: errno left by anything else must not decide. */
static void absence_is_only_what_find_says(void **state)
{
    struct sim_test *t = *state;
    char plan[96];
    struct err err;

    struct hv *hv = open_fault(t, plan);
    errno = EIO;
    assert_int_equal(hv_check_absent(hv, &t->uuid, &err), 0);
    sim_test_start(t, NULL);
    errno = ENOENT;
    assert_int_equal(hv_check_absent(hv, &t->uuid, NULL), -1);
    assert_int_equal(errno, EEXIST);
    arm(plan, "find EACCES\n");
    errno = ENOENT;
    assert_int_equal(hv_check_absent(hv, &t->uuid, &err), -1);
    assert_int_equal(errno, EACCES);
    hv_close(hv);
}

/* Whoever only looks whether a VM is there need not know, and finds it. */
static void vm_that_cannot_be_protected_is_found(void **state)
{
    struct sim_test *t = *state;
    struct hv_info info;
    char plan[96];
    struct err err;

    struct hv *hv = open_fault(t, plan);
    sim_test_start(t, NULL);
    arm(plan, "may_protect EPERM\n");
    assert_int_equal(hv_find(hv, "guest", &info, &err), 0);
    assert_int_equal(hv_may_protect(hv, &info.uuid, &err), -1);
    assert_int_equal(errno, EPERM);
    assert_non_null(strstr(err.text, "may_protect"));
    hv_close(hv);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, sim_test_setup, sim_test_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(armed_operations_fail_without_being_done),
        TEST(wrong_plan_is_seen),
        TEST(absence_is_only_what_find_says),
        TEST(vm_that_cannot_be_protected_is_found),
    };

    if (!sim_test_program()) {
        fprintf(stderr, "remus-simvm is not built\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
