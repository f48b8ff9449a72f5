/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/uuid.h"

#define TEXT "00112233-4455-6677-8899-aabbccddeeff"

static void parses_in_text_order(void **state)
{
    struct uuid u;
    (void)state;

    assert_int_equal(uuid_parse(TEXT, &u), 0);
    for (int i = 0; i < 16; i++)
        assert_int_equal(u.byte[i], i * 0x11);
}

static void formats_lower_case(void **state)
{
    struct uuid u;
    char text[UUID_TEXT_LEN + 1];
    (void)state;

    assert_int_equal(uuid_parse("00112233-4455-6677-8899-AABBCCDDEEFF", &u), 0);
    uuid_format(&u, text);
    assert_string_equal(text, TEXT);
}

static void refuses_anything_else(void **state)
{
    static const char *const bad[] = {
        "",
        "0",
        "00112233-4455-6677-8899-aabbccddeef",
        "00112233-4455-6677-8899-aabbccddeeff0",
        "00112233-4455-6677-8899-aabbccddeeff ",
        "00112233-4455-6677-8899-aabbccddeefg",
        "001122334-455-6677-8899-aabbccddeeff",
        "00112233445566778899aabbccddeeff",
        "00112233-4455-6677-8899aabbccddeeff--",
        "{0112233-4455-6677-8899-aabbccddeef}",
        "../../../../../../../../../etc/passw",
        "00112233-4455-6677-8899-aabbccddee\xc3\xa4",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct uuid u = {.byte = {42}};
        errno = 0;
        assert_int_equal(uuid_parse(bad[i], &u), -1);
        assert_int_equal(errno, EINVAL);
        assert_int_equal(u.byte[0], 42);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_in_text_order),
        cmocka_unit_test(formats_lower_case),
        cmocka_unit_test(refuses_anything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
