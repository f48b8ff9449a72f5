/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN
#include <stdio.h>

int main(void)
{
    puts("built without Xen");
    return 77;
}
#else
#include "tests/unit/fake_xen_log_util.h"

/* No page that a guest of Xen has written is missed, whoever else is at its dirty log. */

static void at_first_all_then_what_was_written(void **state)
{
    struct world *w = *state;
    const uint64_t written[] = {11, 64, 200, FIRST + COUNT - 1};

    start(w);
    expect(w, COUNT, (const uint64_t[]){FIRST, FIRST + COUNT - 1}, 2);
    for (size_t i = 0; i < ARRAY_LEN(written); i++)
        fake_dirty(written[i]);
    expect(w, ARRAY_LEN(written) + 1, written, ARRAY_LEN(written));
    expect(w, 1, (const uint64_t[]){FIRST}, 1);
}

static void log_that_another_tool_ends_is_lost(void **state)
{
    struct world *w = *state;

    start_anew(w);
    xc_shadow_control(NULL, FAKE_DOMID, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
    fake_dirty(20);
    expect_lost(w);
    start_anew(w);
}

/* As libxenguest does with a log that it finds on; then the guest writes. */
static void take_over(void)
{
    xc_shadow_control(NULL, FAKE_DOMID, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
    xc_shadow_control(NULL, FAKE_DOMID, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0);
    fake_dirty(20);
    fake_dirty(300);
}

/* Another tool has it, and finds in it what the guest has written. */
static void expect_theirs(void)
{
    assert_true(fake_memory.logging);
    assert_true(fake_memory.log[20 / 64] >> 20 % 64 & 1);
    assert_true(fake_memory.log[300 / 64] >> 300 % 64 & 1);
}

static void expect_refused_until_they_are_done(struct world *w)
{
    assert_int_equal(xen_log_start(&w->v.vm, &w->err), -1);
    assert_int_equal(errno, EBUSY);
    expect_theirs();
    assert_int_equal(fake.subscribed, 0);
    xc_shadow_control(NULL, FAKE_DOMID, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
    start_anew(w);
    assert_int_equal(fake.subscribed, PORT);
}

/* Its tool has sent what it had to, and has yet to resume it, or to destroy it. */
static void vm_that_another_tool_has_suspended_is_left_alone(void **state)
{
    struct world *w = *state;

    start_anew(w);
    take_over();
    expect_lost(w);
    fake_suspend();
    assert_int_equal(xen_gone(&w->v.vm), HV_ALIVE);
    xc_shadow_control(NULL, FAKE_DOMID, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
    assert_int_equal(xen_log_start(&w->v.vm, &w->err), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(xen_gone(&w->v.vm), HV_ALIVE);
    assert_int_equal(fake.resumed_fast + fake.resumed_plain, 0);
    fake_resume(true);
    start_anew(w);
}

static void log_that_another_tool_takes_over_is_theirs(void **state)
{
    struct world *w = *state;

    start_anew(w);
    take_over();
    expect_lost(w);
    expect_theirs();
    expect_refused_until_they_are_done(w);
}

static void log_taken_over_from_a_killed_agent_is_theirs(void **state)
{
    struct world *w = *state;

    start_anew(w);
    w->v.log.on = false; /* forgotten */
    take_over();
    expect_refused_until_they_are_done(w);
}

static void log_taken_over_unnoticed_is_not_ended(void **state)
{
    struct world *w = *state;

    start_anew(w);
    take_over();
    xen_log_close(&w->v);
    expect_theirs();
    assert_false(xen_log_ours(&w->x, FAKE_DOMID));
}

static void log_of_ours_is_ended(void **state)
{
    struct world *w = *state;

    start(w);
    xen_log_close(&w->v);
    assert_false(fake_memory.logging);
    assert_int_equal(xen_log_open(&w->v, &w->err), 0);
    start_anew(w);
    xen_log_close(&w->v);
    assert_false(fake_memory.logging);
}

static void log_that_another_tool_has_read_is_lost(void **state)
{
    struct world *w = *state;

    start_anew(w);
    fake_dirty(20);
    memset(fake_memory.log, 0, sizeof(fake_memory.log));
    expect_lost(w);
}

static void log_of_a_killed_agent_is_started_anew(void **state)
{
    struct world *w = *state;

    start(w);
    w->v.log.on = false; /* forgotten */
    start_anew(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG(at_first_all_then_what_was_written),
        LOG(log_that_another_tool_ends_is_lost),
        LOG(log_that_another_tool_takes_over_is_theirs),
        LOG(vm_that_another_tool_has_suspended_is_left_alone),
        LOG(log_taken_over_from_a_killed_agent_is_theirs),
        LOG(log_taken_over_unnoticed_is_not_ended),
        LOG(log_of_ours_is_ended),
        LOG(log_that_another_tool_has_read_is_lost),
        LOG(log_of_a_killed_agent_is_started_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
