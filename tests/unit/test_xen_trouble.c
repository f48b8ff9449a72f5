/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "engine/hv/xen/format/xen_trouble.h"

struct expected {
    enum xen_step step;
    int error;
    const char *text, *hint;
};

static void each_cause_is_named(void **state)
{
    static const struct expected cases[] = {
        {XEN_STEP_DEVICE, ENOENT, "does not run Xen", "dom0"},
        {XEN_STEP_DEVICE, EACCES, "no right", "root"},
        {XEN_STEP_DEVICE, EPERM, "no right", "root"},
        {XEN_STEP_DEVICE, EMFILE, "Too many open files", ""},
        {XEN_STEP_LIBRARY, ENOMEM, "Cannot allocate memory", "above"},
        {XEN_STEP_XENSTORE, ECONNREFUSED, "xenstore", "start xenstored"},
        {XEN_STEP_XENSTORE, EACCES, "no right", "root"},
        {XEN_STEP_CALL, EACCES, "built for Xen 4.17, and Xen 4.19 runs", "reboot"},
        {XEN_STEP_CALL, EPERM, "may not control", "dom0"},
        {XEN_STEP_CALL, ENOSYS, "Function not implemented", ""},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        errno = 0;
        assert_int_equal(xen_trouble(cases[i].step, cases[i].error, "4.17", "4.19", &err), -1);
        assert_int_equal(errno, cases[i].error);
        if (!strstr(err.text, cases[i].text) || !strstr(err.hint, cases[i].hint))
            fail_msg("case %zu: %s; %s", i, err.text, err.hint);
    }
}

static void release_may_be_unknown(void **state)
{
    struct err err;
    (void)state;

    assert_int_equal(xen_trouble(XEN_STEP_CALL, EACCES, "4.17", "", &err), -1);
    assert_non_null(strstr(err.text, "Xen of another release runs here"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cause_is_named),
        cmocka_unit_test(release_may_be_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
