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

/* The memory of a guest of Xen: mapped once, and again where it has changed. */

/* The guest writes some pages, and an epoch takes them. */
static void copy_an_epoch(struct world *w, uint64_t salt)
{
    const uint64_t written[] = {FIRST, FIRST + 1 + salt, FIRST + COUNT - 1};
    static uint8_t copy[ARRAY_LEN(written)][HV_PAGE_SIZE];

    for (size_t i = 0; i < ARRAY_LEN(written); i++)
        fake_dirty(written[i]);
    expect(w, ARRAY_LEN(written), written, ARRAY_LEN(written));
    assert_int_equal(xen_mem_copy(&w->v.mem, written, ARRAY_LEN(written), copy, &w->err), 0);
    for (size_t i = 0; i < ARRAY_LEN(written); i++)
        assert_int_equal(copy[i][0], (uint8_t)written[i]);
}

static void memory_is_mapped_once(void **state)
{
    struct world *w = *state;
    const uint8_t *base = w->v.mem.base;
    unsigned maps = fake_memory.maps;

    assert_int_equal(maps, 1);
    start_anew(w);
    for (uint64_t i = 0; i < 20; i++)
        copy_an_epoch(w, i);
    assert_int_equal(fake_memory.maps, maps);
    assert_ptr_equal(w->v.mem.base, base);
}

static void what_is_no_memory_reads_as_zeroes(void **state)
{
    const uint64_t pfn[] = {FIRST, FIRST - 1, FIRST + COUNT}, outside = FAKE_PAGES;
    static uint8_t copy[3][HV_PAGE_SIZE];
    struct world *w = *state;

    memset(copy, 0xff, sizeof(copy));
    assert_int_equal(xen_mem_copy(&w->v.mem, pfn, 3, copy, &w->err), 0);
    assert_int_equal(copy[0][0], FIRST);
    for (size_t i = 0; i < HV_PAGE_SIZE; i++)
        assert_int_equal(copy[1][i] | copy[2][i], 0);
    assert_int_equal(xen_mem_copy(&w->v.mem, &outside, 1, copy, &w->err), -1);
    assert_int_equal(errno, EINVAL);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG(memory_is_mapped_once),
        LOG(what_is_no_memory_reads_as_zeroes),
        LOG(page_that_has_become_memory_is_read),
        LOG(page_that_cannot_be_mapped_is_not_forgotten),
        LOG(mapping_that_failed_leaves_no_gap),
        LOG(memory_of_another_size_is_mapped_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
