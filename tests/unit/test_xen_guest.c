/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN
#include <stdio.h>

int main(void)
{
    puts("built without Xen");
    return 77;
}
#else
#include "tests/unit/fake_xen_guest_util.h"

/* How a guest of Xen is stopped, what its end is taken for, and devices that it is given. */

/* A kernel takes the request off the node before it tries to freeze its tasks. */
static void take_request(void)
{
    fake_write_own("control/shutdown", "");
}

static void request_that_the_kernel_took_is_waited_for(void **state)
{
    struct world *w = *state;
    struct err err;

    fake.guest = take_request;
    fails_to_stop(w);
    fails_to_stop(w);
    assert_int_equal(fake.asked_kernel, 1);
    fake_suspend();
    assert_int_equal(xen_stop(&w->v.vm, 1, &err), 0);
    assert_int_equal(xen_resume(&w->v.vm, &err), 0);
    assert_int_equal(fake.resumed_fast, 1);
}

static void kernel_that_could_not_freeze_is_asked_again(void **state)
{
    struct world *w = *state;

    fake.guest = take_request;
    fails_to_stop(w);
    w->v.suspend.late_until = mono_add(w->v.suspend.late_until, -61 * NS_PER_S);
    fails_to_stop(w);
    assert_int_equal(fake.asked_kernel, 2);
    fails_to_stop(w);
    assert_int_equal(fake.asked_kernel, 2);
}

static void request_that_nobody_saw_is_taken_back(void **state)
{
    struct world *w = *state;

    fails_to_stop(w);
    assert_string_equal(fake_find("/local/domain/7/control/shutdown")->value, "");
    fails_to_stop(w);
    assert_int_equal(fake.asked_kernel, 2);
}

/* xl shutdown, at a moment when the kernel is not looking: asked to suspend over it, it would never
 * see it. */
static void another_tools_request_comes_first(void **state)
{
    struct world *w = *state;
    struct err err;

    fake_write_own("control/shutdown", "poweroff");
    fails_to_stop(w);
    assert_int_equal(fake.asked_kernel, 0);
    assert_string_equal(fake_find("/local/domain/7/control/shutdown")->value, "poweroff");
    take_request();
    fake.guest = fake_suspend;
    assert_int_equal(xen_stop(&w->v.vm, 100, &err), 0);
    assert_int_equal(fake.asked_kernel, 1);
}

/* A kernel that is freezing its tasks does not look at a request, and not at an old one later. */
static void request_of_a_killed_agent_is_made_again(void **state)
{
    struct world *w = *state;
    struct err err;

    fake_write_own("control/shutdown", "suspend");
    fake.guest = fake_suspend;
    assert_int_equal(xen_stop(&w->v.vm, 100, &err), 0);
    assert_int_equal(fake.asked_kernel, 1);
}

/* Taken while we wait for it: the guest is then asked within the same stop. */
static void take_anothers_request(void)
{
    if (fake.looked == 2)
        take_request();
}

static void request_is_made_when_the_others_is_taken(void **state)
{
    struct world *w = *state;
    struct err err;

    fake_write_own("control/shutdown", "poweroff");
    fake.on_look = take_anothers_request;
    fake.guest = fake_suspend;
    assert_int_equal(xen_stop(&w->v.vm, 10000, &err), 0);
    assert_int_equal(fake.asked_kernel, 1);
}

static void node_that_changes_all_the_time_is_given_up(void **state)
{
    struct world *w = *state;

    fake.conflicts = 1000;
    fails_to_stop(w);
    assert_int_equal(fake.asked_kernel, 0);
    fake.conflicts = 3;
    fake.guest = fake_suspend;
    struct err err;
    assert_int_equal(xen_stop(&w->v.vm, 100, &err), 0);
}

static void what_xen_does_not_tell_is_no_end(void **state)
{
    struct world *w = *state;
    struct err err;

    fake.list_error = ENOMEM;
    assert_int_equal(xen_gone(&w->v.vm), HV_ALIVE);
    fails_to_stop(w);
    fake.list_error = 0;
    fake.guest = fake_suspend;
    assert_int_equal(xen_stop(&w->v.vm, 100, &err), 0);
    assert_int_equal(xen_gone(&w->v.vm), HV_ALIVE);
}

static void ends_are_told_apart(void **state)
{
    struct world *w = *state;

    assert_int_equal(xen_gone(&w->v.vm), HV_ALIVE);
    fake_shut_down(SHUTDOWN_poweroff);
    assert_int_equal(xen_gone(&w->v.vm), HV_SHUTDOWN);
    fake.flags |= XEN_DOMINF_dying; /* xl has begun to destroy it */
    assert_int_equal(xen_gone(&w->v.vm), HV_SHUTDOWN);
    fake.code = SHUTDOWN_reboot;
    assert_int_equal(xen_gone(&w->v.vm), HV_SHUTDOWN);
    fake.code = SHUTDOWN_crash;
    assert_int_equal(xen_gone(&w->v.vm), HV_CRASHED);
    fake.code = SHUTDOWN_watchdog;
    assert_int_equal(xen_gone(&w->v.vm), HV_CRASHED);
    fake.code = SHUTDOWN_suspend; /* xl destroy in the middle of an epoch */
    assert_int_equal(xen_gone(&w->v.vm), HV_CRASHED);
    fake.flags = XEN_DOMINF_dying;
    assert_int_equal(xen_gone(&w->v.vm), HV_CRASHED);
    fake.there = false;
    assert_int_equal(xen_gone(&w->v.vm), HV_CRASHED);
}

/* By xl, and the backup must not resume another. */
static void crash_is_none_of_what_is_started_anew(void **state)
{
    struct world *w = *state;

    w->v.on_crash = LIBXL_ACTION_ON_SHUTDOWN_RESTART;
    w->v.on_watchdog = LIBXL_ACTION_ON_SHUTDOWN_PRESERVE;
    fake_shut_down(SHUTDOWN_crash);
    assert_int_equal(xen_gone(&w->v.vm), HV_SHUTDOWN);
    fake.code = SHUTDOWN_watchdog;
    assert_int_equal(xen_gone(&w->v.vm), HV_CRASHED);
    w->v.on_watchdog = LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART;
    assert_int_equal(xen_gone(&w->v.vm), HV_SHUTDOWN);
    fake.there = false; /* xl destroy */
    assert_int_equal(xen_gone(&w->v.vm), HV_CRASHED);
}

/* Looks again without waiting for it. */
static const char *unfit(struct world *w)
{
    w->v.fitness.looked = (struct mono){0};
    assert_int_equal(xen_gone(&w->v.vm), HV_ALIVE);
    return xen_unfit(&w->v.vm);
}

static void attach_disk(const char *number, const char *mode)
{
    char path[XEN_PATH_MAX], backend[64];

    snprintf(backend, sizeof(backend), "/backend/vbd/%s", number);
    snprintf(path, sizeof(path), "%s/mode", backend);
    fake_write(path, mode);
    snprintf(path, sizeof(path), "/libxl/7/device/vbd/%s/backend", number);
    fake_write(path, mode ? backend : NULL);
}

static void devices_that_come_and_go_are_seen(void **state)
{
    struct world *w = *state;

    attach_disk("51712", "r");
    xen_fitness_described(&w->v);
    assert_string_equal(unfit(w), "");
    attach_disk("51728", "w");
    assert_non_null(strstr(unfit(w), "writable disk"));
    attach_disk("51728", NULL);
    assert_string_equal(unfit(w), "");
    attach_disk("51744", "r");
    assert_non_null(strstr(unfit(w), "changed"));
    xen_fitness_described(&w->v);
    assert_string_equal(unfit(w), "");
    fake_write("/libxl/7/device/pci/0/backend", "/backend/pci/0");
    assert_non_null(strstr(unfit(w), "PCI"));
    xen_fitness_close(&w->v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KERNEL(request_that_the_kernel_took_is_waited_for),
        KERNEL(kernel_that_could_not_freeze_is_asked_again),
        KERNEL(request_that_nobody_saw_is_taken_back),
        KERNEL(another_tools_request_comes_first),
        KERNEL(request_of_a_killed_agent_is_made_again),
        KERNEL(request_is_made_when_the_others_is_taken),
        KERNEL(node_that_changes_all_the_time_is_given_up),
        KERNEL(what_xen_does_not_tell_is_no_end),
        KERNEL(ends_are_told_apart),
        KERNEL(crash_is_none_of_what_is_started_anew),
        KERNEL(devices_that_come_and_go_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
