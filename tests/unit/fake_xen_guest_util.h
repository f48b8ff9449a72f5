/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_FAKE_XEN_GUEST_UTIL_H
#define REMUS_TESTS_FAKE_XEN_GUEST_UTIL_H

#include "tests/unit/fake_xen_memory_util.h"

#define OWN_PORT 5 /* of a channel that no driver has, as the fake Xen makes it */

/** A guest of the fake Xen that can be stopped: by its kernel (KERNEL), by a driver in it (DRIVER),
 * or by one that says so when it does not (REFUSING). FRESH: that, just connected. */
struct world {
    struct xen_hv x;
    struct xen_vm v;
};

static inline void load_driver(const char *capabilities)
{
    fake_write_own("device/suspend/event-channel", "9");
    fake_write_own("device/suspend/event-channel/version", "1.0");
    fake_write_own("device/suspend/event-channel/capabilities", capabilities);
}

/* capabilities: NULL: there is no driver. */
static inline int attach(struct world *w, const char *capabilities)
{
    static const struct hv_ops ops = {.stop = xen_stop, .resume = xen_resume, .gone = xen_gone};
    struct err err;

    fake_start();
    if (capabilities)
        load_driver(capabilities);
    *w = (struct world){.x.xs = xs_open(0),
                        .v = {.domid = FAKE_DOMID, .suspend.port = -1, .watch = -1}};
    w->v.x = &w->x;
    w->v.vm.ops = &ops;
    return xen_watch_open(&w->v, &err) || xen_suspend_open(&w->v, HV_SUSPEND_AUTO, &err);
}

/* Xen's own events, of channels that were just made, are taken, as they are when the daemon has
 * looked once. */
static inline int attach_calm(void **state, const char *capabilities)
{
    static struct world w;

    *state = &w;
    if (attach(&w, capabilities) || xen_gone(&w.v.vm) != HV_ALIVE)
        return -1;
    fake.heard = fake.unmasked = fake.looked = 0;
    return 0;
}

#define PLAIN   "restore plain-resume"
#define REFUSAL PLAIN " refusal"

static inline int with_kernel(void **state)
{
    return attach_calm(state, NULL);
}

static inline int with_driver(void **state)
{
    return attach_calm(state, PLAIN);
}

static inline int with_refusing(void **state)
{
    return attach_calm(state, REFUSAL);
}

static inline int with_fresh(void **state)
{
    static struct world w;

    *state = &w;
    return attach(&w, REFUSAL);
}

static inline int detach(void **state)
{
    struct world *w = *state;

    xen_suspend_close(&w->v);
    xen_watch_close(&w->v);
    fake_end();
    return 0;
}

static inline void stops(struct world *w)
{
    struct err err;

    if (xen_stop(&w->v.vm, 10000, &err))
        fail_msg("%s", err.text);
}

static inline void fails_within(struct world *w, int ms)
{
    struct err err;

    assert_int_equal(xen_stop(&w->v.vm, ms, &err), -1);
    assert_int_equal(errno, ETIMEDOUT);
}

static inline void fails_to_stop(struct world *w)
{
    fails_within(w, 1);
}

#define KERNEL(f)   cmocka_unit_test_setup_teardown(f, with_kernel, detach)
#define DRIVER(f)   cmocka_unit_test_setup_teardown(f, with_driver, detach)
#define REFUSING(f) cmocka_unit_test_setup_teardown(f, with_refusing, detach)
#define FRESH(f)    cmocka_unit_test_setup_teardown(f, with_fresh, detach)

#endif
