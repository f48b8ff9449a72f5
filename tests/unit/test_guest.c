/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/guest_world.h"

static uint64_t bad_pages(struct world *w)
{
    struct pattern_result r;

    pattern_check(&w->guest.pattern, &w->mem, &w->guest.cpu, &r);
    return r.bad;
}

static void pattern_holds_at_every_step(void **state)
{
    struct world *w = *state;

    for (unsigned i = 0; i < 600; i++) {
        if (i % 50 == 0)
            assert_int_equal(bad_pages(w), 0);
        pattern_step(&w->guest.pattern, &w->mem, &w->guest.cpu);
    }
    assert_int_equal(w->guest.cpu.step, 2);
    assert_int_equal(bad_pages(w), 0);
}

static void pattern_shows_any_damage(void **state)
{
    struct world *w = *state;
    struct guest *g = &w->guest;
    uint8_t *page = w->mem.base + (GUEST_PATTERN_PAGE + 7) * SIM_PAGE_SIZE;
    uint8_t keep[SIM_PAGE_SIZE], next[SIM_PAGE_SIZE];

    for (unsigned i = 0; i < 300; i++)
        pattern_step(&g->pattern, &w->mem, &g->cpu);
    memcpy(keep, page, sizeof(keep));
    struct vcpu cpu = g->cpu;
    for (unsigned i = 0; i < 256; i++)
        pattern_step(&g->pattern, &w->mem, &g->cpu);
    memcpy(next, page, sizeof(next));

    memcpy(page, keep, sizeof(keep)); /* stale */
    assert_int_equal(bad_pages(w), 1);
    memcpy(page, next, 2048); /* torn */
    assert_int_equal(bad_pages(w), 1);
    memcpy(page, next, SIM_PAGE_SIZE - 8); /* torn at the last word */
    assert_int_equal(bad_pages(w), 1);
    memcpy(page, next, sizeof(next));
    assert_int_equal(bad_pages(w), 0);
    memcpy(page + SIM_PAGE_SIZE, next, sizeof(next)); /* misplaced */
    assert_int_equal(bad_pages(w), 1);
    memset(page + SIM_PAGE_SIZE, 0, SIM_PAGE_SIZE); /* lost */
    assert_int_equal(bad_pages(w), 1);
    g->cpu = cpu; /* state of another moment */
    assert_true(bad_pages(w) > 1);
}

static void log_holds_exactly_what_was_written(void **state)
{
    struct world *w = *state;

    gmem_write64(&w->mem, 5 * SIM_PAGE_SIZE, 1);
    assert_int_equal(w->mem.log[0], 0);
    gmem_log(&w->mem, true);
    for (unsigned i = 0; i < PAGES / 64; i++) {
        assert_true(w->mem.log[i] == UINT64_MAX);
        w->mem.log[i] = 0;
    }
    gmem_write64(&w->mem, 6 * SIM_PAGE_SIZE - 4, 1);
    gmem_write64(&w->mem, 64 * SIM_PAGE_SIZE, 1);
    assert_int_equal(w->mem.log[0], 0x60);
    assert_int_equal(w->mem.log[1], 1);
    gmem_log(&w->mem, false);
    gmem_write64(&w->mem, 0, 1);
    assert_int_equal(w->mem.log[0], 0x60);
}

static void same_seed_gives_same_memory(void **state)
{
    struct world *w = *state, *twin;
    void *other;

    setup(&other);
    twin = other;
    for (int order = SIM_ORDER_SEQ; order <= SIM_ORDER_HOT; order++) {
        for (int content = SIM_CONTENT_ZERO; content <= SIM_CONTENT_RANDOM; content++) {
            struct dirtier d = {PAGES - 64, 64, (enum sim_order)order, (enum sim_content)content};
            for (unsigned i = 0; i < 70; i++) {
                dirtier_write(&d, &w->mem, &w->guest.cpu);
                dirtier_write(&d, &twin->mem, &twin->guest.cpu);
            }
        }
    }
    assert_memory_equal(w->mem.base, twin->mem.base, w->mem.size);
    for (uint64_t pfn = 0; pfn < PAGES - 64; pfn++)
        assert_int_equal(gmem_read64(&w->mem, pfn * SIM_PAGE_SIZE), 0);
    teardown(&other);
}

static void state_survives_saving(void **state)
{
    struct world *w = *state;
    uint8_t blob[VCPU_STATE_LEN];
    struct err err;

    pattern_step(&w->guest.pattern, &w->mem, &w->guest.cpu);
    struct vcpu cpu = w->guest.cpu;
    vcpu_save(&cpu, blob);
    vcpu_reset(&w->guest.cpu, 99);
    assert_int_equal(guest_load(&w->guest, blob, sizeof(blob), &err), 0);
    assert_memory_equal(&w->guest.cpu, &cpu, sizeof(cpu));

    assert_int_equal(guest_load(&w->guest, blob, sizeof(blob) - 1, &err), -1);
    for (size_t i = 0; i < sizeof(blob); i++) {
        blob[i] ^= 1;
        assert_int_equal(guest_load(&w->guest, blob, sizeof(blob), &err), -1);
        blob[i] ^= 1;
    }
    cpu.cursor = 256; /* outside of this VM's pattern */
    vcpu_save(&cpu, blob);
    assert_int_equal(guest_load(&w->guest, blob, sizeof(blob), &err), -1);
}

static void missed_work_is_made_up_for_in_part(void **state)
{
    struct mono now = {NS_PER_S};
    struct pace p;
    unsigned n = 0;

    (void)state;
    pace_init(&p, 1000, now);
    assert_false(pace_take(&p, now));
    assert_int_equal(pace_wait(&p, now), NS_PER_MS);
    now = mono_add(now, 5 * NS_PER_MS);
    while (pace_take(&p, now))
        n++;
    assert_int_equal(n, 5);
    now = mono_add(now, 3600 * NS_PER_S);
    while (pace_take(&p, now))
        n++;
    assert_int_equal(n, 105);
    pace_init(&p, 0, now);
    assert_int_equal(pace_wait(&p, now), -1);
}

static void impossible_guests_are_refused(void **state)
{
    struct world *w = *state;
    struct sim_vm_conf conf;
    struct guest g;
    struct err err;

    configure(&conf);
    conf.pattern_mb = 16;
    assert_int_equal(guest_init(&g, &w->mem, &conf, &err), -1);
    configure(&conf);
    strcpy(conf.mac, "03:00:00:00:00:01");
    assert_int_equal(guest_init(&g, &w->mem, &conf, &err), -1);
    configure(&conf);
    strcpy(conf.ip, "10.0.0");
    assert_int_equal(guest_init(&g, &w->mem, &conf, &err), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pattern_holds_at_every_step),
        TEST(pattern_shows_any_damage),
        TEST(log_holds_exactly_what_was_written),
        TEST(same_seed_gives_same_memory),
        TEST(state_survives_saving),
        TEST(missed_work_is_made_up_for_in_part),
        TEST(impossible_guests_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
