/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN
#include <stdio.h>

int main(void)
{
    puts("built without Xen");
    return 77;
}
#else
#include "tests/unit/fake_xen_memory_util.h"

/* No page that a guest of Xen has written is missed, whoever else is at its dirty log. */

#define FIRST 10 /* of its memory; the canary */
#define COUNT 700
#define PORT  5

struct world {
    struct xen_hv x;
    struct xen_vm v;
    struct bitmap dirty;
    struct err err;
};

static int attach(void **state)
{
    static struct world w;

    fake_start();
    fake_memory_start();
    fake_ram(FIRST, COUNT, true);
    w = (struct world){.x.xs = xs_open(0), .v = {.domid = FAKE_DOMID, .tot_pages = fake.tot_pages}};
    w.v.x = &w.x;
    w.v.ends = w.x.xs;
    w.v.suspend.guest_port = fake.subscribed = PORT;
    *state = &w;
    return bitmap_init(&w.dirty, FAKE_PAGES) ||
           xen_mem_init(&w.v.mem, FAKE_PAGES, PROT_READ, &w.err) ||
           xen_mem_map_all(&w.x, FAKE_DOMID, &w.v.mem, &w.err) || xen_log_open(&w.v, &w.err);
}

static int detach(void **state)
{
    struct world *w = *state;

    xen_log_close(&w->v);
    xen_mem_free(&w->v.mem);
    bitmap_free(&w->dirty);
    fake_end();
    return 0;
}

static void start(struct world *w)
{
    assert_int_equal(xen_log_start(&w->v.vm, &w->err), 0);
}

static int fetch(struct world *w)
{
    bitmap_zero(&w->dirty);
    return xen_fetch_dirty(&w->v.vm, &w->dirty, &w->err);
}

/* How many pages, and that these are among them. The canary always is. */
static void expect(struct world *w, size_t count, const uint64_t *pfn, size_t n)
{
    assert_int_equal(fetch(w), 0);
    assert_int_equal(bitmap_count(&w->dirty), count);
    for (size_t i = 0; i < n; i++)
        assert_true(bitmap_test(&w->dirty, pfn[i]));
}

/* Another log: all memory counts as written. */
static void start_anew(struct world *w)
{
    start(w);
    expect(w, COUNT, NULL, 0);
}

static void expect_lost(struct world *w)
{
    assert_int_equal(fetch(w), -1);
    assert_int_equal(errno, ESTALE);
}

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

/* One page goes and another comes: the number stays. */
static void start_and_swap_a_page(struct world *w)
{
    start_anew(w);
    fake_ram(100, 1, false);
    fake_ram(900, 1, true);
    fake_dirty(900);
}

static void page_that_has_become_memory_is_read(void **state)
{
    struct world *w = *state;

    start_and_swap_a_page(w);
    expect(w, 2, (const uint64_t[]){900}, 1);
    assert_true(bitmap_test(&w->v.mem.ram, 900));
    assert_int_equal(w->v.mem.base[900 * HV_PAGE_SIZE], (uint8_t)900);
}

static void page_that_cannot_be_mapped_is_not_forgotten(void **state)
{
    struct world *w = *state;

    start_and_swap_a_page(w);
    fake_memory.map_error = ENOMEM;
    expect_lost(w);
    fake_memory.map_error = 0;
    while (start(w), fetch(w))
        assert_int_equal(errno, ESTALE);
    assert_true(bitmap_test(&w->dirty, 900));
    assert_int_equal(bitmap_count(&w->dirty), COUNT);
}

/* Whatever came to lie in a gap would be unmapped together with the VM's memory. */
static void mapping_that_failed_leaves_no_gap(void **state)
{
    struct world *w = *state;
    unsigned char resident;

    start_and_swap_a_page(w);
    fake_memory.map_error = ENOMEM;
    expect_lost(w);
    assert_int_equal(mincore(w->v.mem.base + 900 * HV_PAGE_SIZE, HV_PAGE_SIZE, &resident), 0);
}

static void memory_of_another_size_is_mapped_anew(void **state)
{
    struct world *w = *state;

    start_anew(w);
    fake_ram(FIRST + COUNT, 5, true);
    expect_lost(w);
    start(w);
    expect(w, COUNT + 5, NULL, 0);
    fake_memory.map_error = ENOMEM;
    fake_ram(FIRST + COUNT, 5, false);
    assert_int_equal(fetch(w), -1);
    fake_memory.map_error = 0;
    fake_ram(FIRST + COUNT, 5, true); /* as large as when it was last mapped */
    expect_lost(w);
    start(w);
    expect(w, COUNT + 5, NULL, 0);
}

#define LOG(f) cmocka_unit_test_setup_teardown(f, attach, detach)

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
        LOG(page_that_has_become_memory_is_read),
        LOG(page_that_cannot_be_mapped_is_not_forgotten),
        LOG(mapping_that_failed_leaves_no_gap),
        LOG(memory_of_another_size_is_mapped_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
