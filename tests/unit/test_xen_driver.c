/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "engine/hv/xen/format/xen_driver.h"

#define ALL "plain-resume restore refusal"

static struct xen_driver_choice choose(enum hv_suspend suspend, const char *port,
                                       const char *version, const char *capabilities)
{
    const struct xen_driver_says says = {port, version, capabilities};
    return xen_driver_choose(suspend, &says);
}

/* By the driver, whether it is only preferred or asked for. */
static void used(const char *port, const char *version, const char *capabilities,
                 uint32_t port_number, bool plain, bool refuses)
{
    for (int i = 0; i < 2; i++) {
        struct xen_driver_choice c =
            choose(i ? HV_SUSPEND_DRIVER : HV_SUSPEND_AUTO, port, version, capabilities);
        assert_true(c.use);
        assert_null(c.why);
        assert_int_equal(c.port, port_number);
        assert_int_equal(c.plain, plain);
        assert_int_equal(c.refuses, refuses);
        assert_string_equal(c.version, version);
    }
}

static void not_used(const char *port, const char *version, const char *why)
{
    for (int i = 0; i < 2; i++) {
        struct xen_driver_choice c =
            choose(i ? HV_SUSPEND_DRIVER : HV_SUSPEND_AUTO, port, version, ALL);
        assert_false(c.use || c.plain || c.version[0]);
        assert_non_null(c.why);
        if (!strstr(c.why, why))
            fail_msg("%s: no \"%s\"", c.why, why);
    }
}

static void a_driver_is_used(void **state)
{
    (void)state;
    used("7", "0.1", ALL, 7, true, true);
    used("131071", "0.1.0", "restore", 131071, false, false);
    used("12", "10.2.3", "  later  restore plain-resume ", 12, true, false);
    used("12", "1.0", "refusal restore plain", 12, false, true);
    used("12", "1234567890.12345678901234567890", "plain-resumes restore", 12, false, false);
}

static void no_driver(void **state)
{
    (void)state;
    not_used(NULL, NULL, "no driver");
    not_used(NULL, "1.0", "no driver");
    not_used("", "1.0", "no driver"); /* it was unloaded */
}

static void port_is_none(void **state)
{
    static const char *const bad[] = {"0",   "-3",       "+3",     " 3",  "3 ",
                                      "x",   "0x10",     "131072", "3.5", "99999999999999999999999",
                                      "3\n", "\xff\xfe", "port 3"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        not_used(bad[i], "1.0", "no event channel");
}

static void version_is_none(void **state)
{
    static const char *const bad[] = {"",
                                      "1",
                                      "1.",
                                      ".1",
                                      "one.two",
                                      "1.0-rc1",
                                      "1.0 ",
                                      "-1.0",
                                      "1,0",
                                      "\xff",
                                      "1.0\x1b",
                                      "99999999999999999999999.0",
                                      "1.1111111111111111111111111111111111111"};
    (void)state;
    not_used("7", NULL, "tells no version");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        not_used("7", bad[i], "tells no version");
}

static void too_old(void **state)
{
    (void)state;
    not_used("7", "0.0", "too old");
    not_used("7", "0.0.9", "too old");
}

static void cannot_be_restored(void **state)
{
    static const char *const bad[] = {NULL,      "", " ", "restored", "plain-resume,restore",
                                      "re store"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct xen_driver_choice c = choose(HV_SUSPEND_AUTO, "7", "0.1", bad[i]);
        assert_false(c.use || c.plain);
        assert_non_null(strstr(c.why, "failover"));
    }
}

static void cooperative_uses_none(void **state)
{
    (void)state;
    struct xen_driver_choice c = choose(HV_SUSPEND_COOPERATIVE, "7", "1.0", ALL);
    assert_false(c.use || c.plain);
    assert_string_equal(c.why, "suspend = cooperative");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_driver_is_used),
        cmocka_unit_test(no_driver),
        cmocka_unit_test(port_is_none),
        cmocka_unit_test(version_is_none),
        cmocka_unit_test(too_old),
        cmocka_unit_test(cooperative_uses_none),
        cmocka_unit_test(cannot_be_restored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
