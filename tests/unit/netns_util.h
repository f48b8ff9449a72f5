/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_NETNS_UTIL_H
#define REMUS_TESTS_NETNS_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "engine/net/bridge.h"

/** Interfaces and bridges of a test's own. */

/** A network of this process's own, and the view of it in /sys. False: no right to have one. */
static inline bool netns_alone(void)
{
    return unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("sysfs", "/sys", "sysfs", 0, NULL) == 0;
}

/** An interface that is there while the descriptor is open; skips the test where none can be. */
static inline int netns_interface(const char *name)
{
    struct ifreq req = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &req) < 0)
        skip();
    return fd;
}

static inline bool netns_on_bridge(const char *name, const char *bridge)
{
    char now[IFNAMSIZ];

    return bridge_of(name, now) && strcmp(now, bridge) == 0;
}

#endif
