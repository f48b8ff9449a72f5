/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_FAKE_XEN_LOG_UTIL_H
#define REMUS_TESTS_FAKE_XEN_LOG_UTIL_H

#include "tests/unit/fake_xen_memory_util.h"

/** A guest of the fake Xen: its memory is mapped, its dirty log can be started and fetched. */
#define FIRST 10 /* of its memory; the canary */
#define COUNT 700
#define PORT  5

struct world {
    struct xen_hv x;
    struct xen_vm v;
    struct bitmap dirty;
    struct err err;
};

static inline int attach(void **state)
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

static inline int detach(void **state)
{
    struct world *w = *state;

    xen_log_close(&w->v);
    xen_mem_free(&w->v.mem);
    bitmap_free(&w->dirty);
    fake_end();
    return 0;
}

static inline void start(struct world *w)
{
    assert_int_equal(xen_log_start(&w->v.vm, &w->err), 0);
}

static inline int fetch(struct world *w)
{
    bitmap_zero(&w->dirty);
    return xen_fetch_dirty(&w->v.vm, &w->dirty, &w->err);
}

/* How many pages, and that these are among them. The canary always is. */
static inline void expect(struct world *w, size_t count, const uint64_t *pfn, size_t n)
{
    assert_int_equal(fetch(w), 0);
    assert_int_equal(bitmap_count(&w->dirty), count);
    for (size_t i = 0; i < n; i++)
        assert_true(bitmap_test(&w->dirty, pfn[i]));
}

/* Another log: all memory counts as written. */
static inline void start_anew(struct world *w)
{
    start(w);
    expect(w, COUNT, NULL, 0);
}

static inline void expect_lost(struct world *w)
{
    assert_int_equal(fetch(w), -1);
    assert_int_equal(errno, ESTALE);
}

#define LOG(f) cmocka_unit_test_setup_teardown(f, attach, detach)

#endif
