/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/events.h"

static void ring_keeps_the_newest(void **state)
{
    static struct events ring;
    (void)state;

    for (int i = 0; i < EVENTS_MAX + 10; i++) {
        json_t *event = json_pack("{s:i}", "n", i);
        events_add(&ring, event);
        json_decref(event);
    }
    json_t *list = events_list(&ring);
    assert_int_equal(json_array_size(list), EVENTS_MAX);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "n")), 10);
    json_decref(list);

    char text[100001];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    json_t *big = json_pack("{s:s}", "t", text);
    for (int i = 0; i < 50; i++)
        events_add(&ring, big);
    json_decref(big);
    list = events_list(&ring);
    assert_int_equal(json_array_size(list), EVENTS_BYTES_MAX / (sizeof(text) + 7));
    json_decref(list);
    events_clear(&ring);
    assert_int_equal(ring.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_keeps_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
