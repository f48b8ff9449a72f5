/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "engine/net/bridge.h"

/* A network of this process's own, and the view of it in /sys. */
static bool alone(void)
{
    return unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("sysfs", "/sys", "sysfs", 0, NULL) == 0;
}

/* An interface that is there while the descriptor is open. */
static int make_interface(const char *name)
{
    struct ifreq req = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &req) < 0)
        skip();
    return fd;
}

static bool on_bridge(const char *name, const char *bridge)
{
    char now[IFNAMSIZ];

    return bridge_of(name, now) && strcmp(now, bridge) == 0;
}

static void interface_moves_between_bridges(void **state)
{
    int fd = make_interface("port");
    char now[IFNAMSIZ];
    struct err err;

    (void)state;
    assert_int_equal(bridge_make("one", &err), 0);
    assert_int_equal(bridge_make("one", &err), 0);
    assert_int_equal(bridge_make("two", &err), 0);
    assert_true(bridge_is("one") && !bridge_is("port"));
    assert_false(bridge_of("port", now));
    assert_int_equal(bridge_port_up("port", "one", &err), 0);
    assert_true(on_bridge("port", "one"));
    assert_int_equal(bridge_move("port", "two", &err), 0);
    assert_true(on_bridge("port", "two"));
    assert_int_equal(bridge_move("port", "none", &err), -1);
    assert_true(on_bridge("port", "two"));
    assert_int_equal(bridge_port_down("port", &err), 0);
    assert_false(bridge_of("port", now));
    close(fd);
    assert_int_equal(bridge_port_down("port", &err), 0);
}

static void another_interface_is_not_taken_for_a_renamed_one(void **state)
{
    int guest = make_interface("vif9.0"), host = make_interface("lan");
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

    if (!alone()) {
        fprintf(stderr, "no right to have a network of its own\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
