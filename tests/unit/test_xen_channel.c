/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN
#include <stdio.h>

int main(void)
{
    puts("built without Xen");
    return 77;
}
#else
#include <sys/mman.h>

#include "tests/unit/fake_xen_guest_util.h"

/* The event channel on which Xen tells that a guest has suspended. */

#define DRIVER_PORT 9 /* as the driver of DRIVER has it */

/* ---- given back ---- */

/* Xen raises its event for us until we have gone, and for everybody afterwards. */
static void close_and_expect_given_back(struct world *w, uint32_t port)
{
    assert_int_equal(fake.subscribed, port);
    xen_suspend_close(&w->v);
    w->v.suspend.port = -1;
    assert_int_equal(fake.subscribed, 0);
}

static void subscription_is_given_back(void **state)
{
    close_and_expect_given_back(*state, OWN_PORT);
}

static void subscription_to_the_drivers_channel_is_given_back(void **state)
{
    close_and_expect_given_back(*state, DRIVER_PORT);
}

static void unload_driver(void)
{
    fake_write_own("device/suspend/event-channel", "");
    fake.guest_port = 0;
}

static void subscription_is_given_back_when_the_driver_has_gone(void **state)
{
    struct world *w = *state;

    unload_driver();
    xen_suspend_review(&w->v);
    close_and_expect_given_back(w, OWN_PORT);
}

static void subscription_is_given_back_when_nobody_saw_the_driver_go(void **state)
{
    unload_driver();
    close_and_expect_given_back(*state, DRIVER_PORT);
}

/* ---- stopping ---- */

static void suspend_unheard(void)
{
    fake_shut_down_unheard(SHUTDOWN_suspend);
}

/* This guest is found suspended by whoever takes its event, and by nobody else. */
static void stop_waits_for_the_event(void **state)
{
    struct world *w = *state;

    fake.guest = fake_raise;
    fake.on_heard = suspend_unheard;
    stops(w);
    assert_int_equal(fake.heard, 1);
    assert_int_equal(fake.looked, 1);
}

static void suspend_at_fifth_look(void)
{
    if (fake.looked == 5)
        suspend_unheard();
}

static void event_that_another_has_taken_is_not_needed(void **state)
{
    struct world *w = *state;

    fake.on_look = suspend_at_fifth_look;
    stops(w);
    assert_int_equal(fake.heard, 0);
}

/* ---- events without a meaning ---- */

/* As the daemon does when the channel wakes it between two checkpoints. */
static void raise_idle_events(struct world *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        fake_raise();
        assert_int_equal(xen_gone(&w->v.vm), HV_ALIVE);
    }
}

/* The second in which events are counted is over, or does not end while the test runs. */
static void end_second(struct world *w)
{
    w->v.suspend.idle_since = (struct mono){0};
}

static void stretch_second(struct world *w)
{
    w->v.suspend.idle_since = mono_add(mono_now(), 3600 * NS_PER_S);
}

static void raise_two_storms(struct world *w)
{
    stretch_second(w);
    raise_idle_events(w, 200);
    end_second(w);
    raise_idle_events(w, 1);
    stretch_second(w);
    raise_idle_events(w, 200);
}

/* What the log says meanwhile. */
static void raise_two_storms_and_hear(struct world *w, char *said, size_t size)
{
    int saved = dup(STDERR_FILENO), file = memfd_create("said", MFD_CLOEXEC);

    assert_true(saved >= 0 && file >= 0 && dup2(file, STDERR_FILENO) >= 0);
    raise_two_storms(w);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t len = pread(file, said, size - 1, 0);
    said[len > 0 ? len : 0] = '\0';
    close(file);
}

static unsigned lines(const char *text)
{
    unsigned n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void events_without_end_are_not_listened_to(void **state)
{
    struct world *w = *state;

    stretch_second(w);
    raise_idle_events(w, 200);
    assert_in_range(fake.heard, 1, 100);
    assert_in_range(fake.unmasked, 1, 100);
    unsigned heard = fake.heard;
    end_second(w);
    raise_idle_events(w, 2); /* the first time it is listened again, the second time heard */
    assert_true(fake.heard > heard);
}

static void events_without_end_are_told_once(void **state)
{
    struct world *w = *state;
    char said[4096];

    raise_two_storms_and_hear(w, said, sizeof(said));
    assert_non_null(strstr(said, "without end"));
    assert_int_equal(lines(said), 1);
}

static void answer(void)
{
    fake.on_heard = suspend_unheard;
    fake_raise();
}

static void guest_stops_after_events_without_end(void **state)
{
    struct world *w = *state;

    stretch_second(w);
    raise_idle_events(w, 200);
    unsigned looked = fake.looked;
    fake.guest = answer;
    stops(w);
    assert_int_equal(fake.looked, looked + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KERNEL(subscription_is_given_back),
        DRIVER(subscription_to_the_drivers_channel_is_given_back),
        DRIVER(subscription_is_given_back_when_the_driver_has_gone),
        DRIVER(subscription_is_given_back_when_nobody_saw_the_driver_go),
        KERNEL(stop_waits_for_the_event),
        DRIVER(stop_waits_for_the_event),
        KERNEL(event_that_another_has_taken_is_not_needed),
        KERNEL(events_without_end_are_not_listened_to),
        KERNEL(events_without_end_are_told_once),
        KERNEL(guest_stops_after_events_without_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
