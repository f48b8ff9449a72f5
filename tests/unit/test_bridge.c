/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "tests/unit/netns_util.h"

static void interface_moves_between_bridges(void **state)
{
    int fd = netns_interface("port");
    char now[IFNAMSIZ];
    struct err err;

    (void)state;
    assert_int_equal(bridge_make("one", &err), 0);
    assert_int_equal(bridge_make("one", &err), 0);
    assert_int_equal(bridge_make("two", &err), 0);
    assert_true(bridge_is("one") && !bridge_is("port"));
    assert_false(bridge_of("port", now));
    assert_int_equal(bridge_port_up("port", "one", &err), 0);
    assert_true(netns_on_bridge("port", "one"));
    assert_int_equal(bridge_move("port", "two", &err), 0);
    assert_true(netns_on_bridge("port", "two"));
    assert_int_equal(bridge_move("port", "none", &err), -1);
    assert_true(netns_on_bridge("port", "two"));
    assert_int_equal(bridge_port_down("port", &err), 0);
    assert_false(bridge_of("port", now));
    close(fd);
    assert_int_equal(bridge_port_down("port", &err), 0);
}

static void another_interface_is_not_taken_for_a_renamed_one(void **state)
{
    int guest = netns_interface("vif9.0"), host = netns_interface("lan");
    struct err err;

    (void)state;
    assert_int_equal(bridge_port_rename("vif9.0", "lan", &err), -1);
    assert_int_equal(errno, EEXIST);
    assert_non_null(strstr(err.text, "lan"));
    assert_int_equal(bridge_port_rename("vif9.0", "guest", &err), 0);
    assert_int_equal(bridge_port_rename("vif9.0", "guest", &err), 0); /* by an earlier call */
    close(guest);
    close(host);
    assert_int_equal(bridge_port_rename("vif9.0", "guest", &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interface_moves_between_bridges),
        cmocka_unit_test(another_interface_is_not_taken_for_a_renamed_one),
    };

    if (!netns_alone()) {
        fprintf(stderr, "no right to have a network of its own\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
