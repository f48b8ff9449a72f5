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

/* When a guest's kernel has got over a suspend: what it asks of xenstored is in a page of its
 * memory. */

#define RING_PFN 20
#define LOOK     "control/shutdown"

struct world {
    struct xen_hv x;
    struct xen_vm v;
    struct xenstore_domain_interface *ring;
};

static int attach(void **state)
{
    static struct world w;
    struct err err;

    fake_start();
    fake_memory_start();
    fake_ram(RING_PFN, 1, true);
    w = (struct world){.x.xs = xs_open(0), .v = {.domid = FAKE_DOMID, .suspend.port = 1}};
    w.v.x = &w.x;
    w.v.param[0].index = HVM_PARAM_STORE_PFN;
    w.v.param[0].value = RING_PFN;
    w.v.param_count = 1;
    *state = &w;
    if (xen_mem_init(&w.v.mem, FAKE_PAGES, PROT_READ, &err) ||
        xen_mem_map_all(&w.x, FAKE_DOMID, &w.v.mem, &err))
        return -1;
    w.ring = (void *)(w.v.mem.base + RING_PFN * HV_PAGE_SIZE);
    w.ring->req_prod = 0xfffffff0; /* it wraps around in every test */
    return 0;
}

static int detach(void **state)
{
    struct world *w = *state;

    xen_mem_free(&w->v.mem);
    fake_end();
    return 0;
}

static void put(struct world *w, const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        w->ring->req[MASK_XENSTORE_IDX(w->ring->req_prod++)] = ((const char *)data)[i];
}

static void put_head(struct world *w, uint32_t type, uint32_t len)
{
    const struct xsd_sockmsg head = {.type = type, .len = len};

    put(w, &head, sizeof(head));
}

/* The guest asks this of xenstored, the text with its final octet. */
static void ask(struct world *w, uint32_t type, const char *text)
{
    put_head(w, type, (uint32_t)strlen(text) + 1);
    put(w, text, strlen(text) + 1);
}

static void look(struct world *w)
{
    ask(w, XS_TRANSACTION_START, "");
    ask(w, XS_READ, LOOK);
    ask(w, XS_TRANSACTION_END, "F");
}

static struct world *guest_of;

static void look_and_suspend(void)
{
    look(guest_of);
    fake_suspend();
}

static void stop_and_resume(struct world *w, void (*guest)(void))
{
    struct err err;

    guest_of = w;
    fake.guest = guest;
    assert_int_equal(xen_stop(&w->v.vm, 1000, &err), 0);
    assert_int_equal(xen_resume(&w->v.vm, &err), 0);
}

/* A kernel that obeys each request at the look that was meant for its taking off the one before. */
static void fall_behind(struct world *w, unsigned looks_owed)
{
    while (w->v.rest.owed < looks_owed) {
        assert_true(xen_rested(&w->v.vm));
        stop_and_resume(w, look_and_suspend);
    }
}

/* All that it is given the time for passes. */
static void fall_behind_without_a_look(struct world *w)
{
    fall_behind(w, 4);
    assert_false(xen_rested(&w->v.vm));
    w->v.rest.since = mono_add(w->v.rest.since, -3 * NS_PER_S);
    assert_true(xen_rested(&w->v.vm));
}

static void kernel_that_keeps_up_is_asked_at_any_time(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 20; i++) {
        assert_true(xen_rested(&w->v.vm));
        stop_and_resume(w, look_and_suspend);
        assert_true(xen_rested(&w->v.vm));
        look(w);
        assert_true(xen_rested(&w->v.vm));
        assert_int_equal(w->v.rest.owed, 0);
    }
}

static void kernel_that_falls_behind_gets_time_for_all_looks(void **state)
{
    struct world *w = *state;

    fall_behind(w, 4);
    for (int i = 0; i < 4; i++) {
        assert_false(xen_rested(&w->v.vm));
        look(w);
    }
    assert_true(xen_rested(&w->v.vm));
    fall_behind(w, 4);
    assert_false(xen_rested(&w->v.vm));
}

static void other_questions_are_no_look(void **state)
{
    struct world *w = *state;

    fall_behind(w, 4);
    for (int i = 0; i < 4; i++) {
        ask(w, XS_READ, "memory/target");
        ask(w, XS_WRITE, LOOK);
        ask(w, XS_READ, LOOK "s");
        assert_false(xen_rested(&w->v.vm));
    }
    assert_int_equal(w->v.rest.owed, 4);
}

static void half_a_question_is_none_yet(void **state)
{
    struct world *w = *state;

    fall_behind(w, 4);
    assert_false(xen_rested(&w->v.vm));
    look(w);
    look(w);
    look(w);
    put_head(w, XS_READ, sizeof(LOOK));
    put(w, LOOK, sizeof(LOOK) - 1);
    assert_false(xen_rested(&w->v.vm));
    put(w, "", 1);
    put(w, "half a head", 11);
    assert_true(xen_rested(&w->v.vm));
}

static void nonsense_of_the_guest_is_survived(void **state)
{
    struct world *w = *state;

    fall_behind(w, 4);
    put_head(w, XS_READ, UINT32_MAX);
    assert_false(xen_rested(&w->v.vm));
    w->ring->req_prod += 100000; /* more than there is room for: nothing can be told */
    assert_true(xen_rested(&w->v.vm));
}

static void slow_kernel_is_not_waited_for_for_ever(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 10; i++) {
        fall_behind_without_a_look(w);
        fall_behind(w, 4);
        assert_false(xen_rested(&w->v.vm)); /* it is the next time */
        for (int n = 0; n < 4; n++)
            look(w);
        assert_true(xen_rested(&w->v.vm));
    }
}

static void kernel_that_never_looks_is_let_off(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 3; i++) {
        fall_behind_without_a_look(w);
    }
    for (int i = 0; i < 20; i++) {
        stop_and_resume(w, look_and_suspend);
        assert_true(xen_rested(&w->v.vm));
    }
}

static void driver_leaves_nothing_to_look_at(void **state)
{
    struct world *w = *state;

    fall_behind(w, 4);
    w->v.suspend.now.driver = w->v.suspend.plain = true;
    stop_and_resume(w, fake_suspend);
    assert_int_equal(fake.asked_driver, 1);
    assert_true(xen_rested(&w->v.vm));
}

static void guest_without_a_ring_is_not_waited_for(void **state)
{
    const uint64_t nowhere[] = {RING_PFN + 1, FAKE_PAGES};
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(nowhere); i++) {
        w->v.param[0].value = nowhere[i];
        for (int n = 0; n < 10; n++) {
            stop_and_resume(w, fake_suspend);
            assert_true(xen_rested(&w->v.vm));
        }
    }
}

/* Its memory is mapped anew when its size has changed, and that may fail. */
static void ring_that_goes_away_is_not_read(void **state)
{
    struct world *w = *state;

    fall_behind(w, 4);
    assert_false(xen_rested(&w->v.vm));
    bitmap_zero(&w->v.mem.ram);
    assert_true(xen_rested(&w->v.vm));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, attach, detach)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(kernel_that_keeps_up_is_asked_at_any_time),
        TEST(kernel_that_falls_behind_gets_time_for_all_looks),
        TEST(other_questions_are_no_look),
        TEST(half_a_question_is_none_yet),
        TEST(nonsense_of_the_guest_is_survived),
        TEST(slow_kernel_is_not_waited_for_for_ever),
        TEST(kernel_that_never_looks_is_let_off),
        TEST(driver_leaves_nothing_to_look_at),
        TEST(guest_without_a_ring_is_not_waited_for),
        TEST(ring_that_goes_away_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
