/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_FAKE_XEN_GUEST_UTIL_H
#define REMUS_TESTS_FAKE_XEN_GUEST_UTIL_H

#include "tests/unit/fake_xen_memory_util.h"

/** A guest of the fake Xen that can be stopped: by its kernel (KERNEL) or by a driver in it
 * (DRIVER). */
struct world {
    struct xen_hv x;
    struct xen_vm v;
};

static inline int attach(struct world *w, const char *driver_port)
{
    static const struct hv_ops ops = {.stop = xen_stop, .resume = xen_resume, .gone = xen_gone};
    struct err err;

    fake_start();
    if (driver_port) {
        fake_write_own("device/suspend/event-channel", driver_port);
        fake_write_own("device/suspend/event-channel/version", "1.0");
        fake_write_own("device/suspend/event-channel/capabilities", "restore plain-resume");
    }
    *w = (struct world){.x.xs = xs_open(0),
                        .v = {.domid = FAKE_DOMID, .suspend.port = -1, .watch = -1}};
    w->v.x = &w->x;
    w->v.vm.ops = &ops;
    return xen_watch_open(&w->v, &err) || xen_suspend_open(&w->v, HV_SUSPEND_AUTO, &err);
}

static inline int with_kernel(void **state)
{
    static struct world w;

    *state = &w;
    return attach(&w, NULL);
}

static inline int with_driver(void **state)
{
    static struct world w;

    *state = &w;
    return attach(&w, "9");
}

static inline int detach(void **state)
{
    struct world *w = *state;

    xen_suspend_close(&w->v);
    xen_watch_close(&w->v);
    fake_end();
    return 0;
}

#define KERNEL(f) cmocka_unit_test_setup_teardown(f, with_kernel, detach)
#define DRIVER(f) cmocka_unit_test_setup_teardown(f, with_driver, detach)

#endif
