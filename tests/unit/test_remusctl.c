/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/remusctl_status.h"
#include "tools/remusctl_text.h"

static void assert_bytes(double value, const char *expected)
{
    json_t *object = json_pack("{s:f}", "n", value);
    assert_string_equal(text_bytes(object, "n").s, expected);
    json_decref(object);
}

static void bytes_have_binary_units(void **state)
{
    (void)state;
    assert_bytes(0, "0 B");
    assert_bytes(1023, "1023 B");
    assert_bytes(1024, "1.0 KiB");
    assert_bytes(1536, "1.5 KiB");
    assert_bytes(512.0 * 1024 * 1024, "512 MiB");
    assert_bytes(1e30, "888178419700125 PiB");
}

static void assert_ms(int64_t value, const char *expected)
{
    json_t *object = json_pack("{s:I}", "n", (json_int_t)value);
    assert_string_equal(text_ms(object, "n").s, expected);
    json_decref(object);
}

static void times_have_a_fitting_unit(void **state)
{
    (void)state;
    assert_ms(0, "0 ms");
    assert_ms(999, "999 ms");
    assert_ms(1000, "1.0 s");
    assert_ms(119999, "120.0 s");
    assert_ms(120000, "2 min");
    assert_ms(7200000, "2 h");
}

static void absent_or_wrong_is_a_dash(void **state)
{
    (void)state;
    json_t *object = json_pack("{s:s, s:n, s:[]}", "text", "", "null", "list");
    const char *const keys[] = {"text", "null", "list", "none"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        assert_string_equal(text_str(object, keys[i]).s, "-");
        assert_string_equal(text_num(object, keys[i], 1).s, "-");
        assert_string_equal(text_bytes(object, keys[i]).s, "-");
        assert_string_equal(text_ms(object, keys[i]).s, "-");
        assert_string_equal(text_us_as_ms(object, keys[i]).s, "-");
    }
    assert_string_equal(text_str(NULL, "x").s, "-");
    json_decref(object);
}

static void control_characters_are_replaced(void **state)
{
    (void)state;
    char s[] = "a\x1b[2J\tb\x7f\xc2\x9b"
               "1m \xc3\xa4\n";
    text_clean(s);
    assert_string_equal(s, "a?[2J?b???1m \xc3\xa4?");
}

static void good_is_protected_and_not_degraded(void **state)
{
    (void)state;
    const struct {
        const char *vm;
        bool good;
    } cases[] = {{"{\"protected\": true, \"degraded\": []}", true},
                 {"{\"protected\": true, \"degraded\": [{}]}", false},
                 {"{\"protected\": false, \"degraded\": []}", false},
                 {"{\"protected\": 1}", false},
                 {"{}", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *vm = json_loads(cases[i].vm, 0, NULL);
        assert_int_equal(status_is_good(vm), cases[i].good);
        json_decref(vm);
    }
}

static void progress_tells_part_rate_and_time(void **state)
{
    (void)state;
    json_t *vm =
        json_pack("{s:s, s:{s:i, s:i, s:i, s:i, s:i}}", "state", "syncing", "sync", "pages_done",
                  256, "pages_total", 1024, "bytes_per_s", 1048576, "eta_s", 3, "round", 1);
    assert_string_equal(status_progress(vm).s,
                        "first copy: 25%, 1.0 MiB of 4.0 MiB, 1.0 MiB/s, 3 s left, round 1");
    json_object_set_new(vm, "sync", json_null());
    assert_string_equal(status_progress(vm).s, "syncing");
    json_decref(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_binary_units),
        cmocka_unit_test(times_have_a_fitting_unit),
        cmocka_unit_test(absent_or_wrong_is_a_dash),
        cmocka_unit_test(control_characters_are_replaced),
        cmocka_unit_test(good_is_protected_and_not_degraded),
        cmocka_unit_test(progress_tells_part_rate_and_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
