/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/epoch_world_util.h"

#include "proto/page.h"

static void random_epochs(struct world *w, unsigned epochs)
{
    first_copy(w);
    for (unsigned i = 1; i < epochs; i++) {
        bool full = fake_random(&w->seed, 8) == 0;
        bool live = fake_random(&w->seed, 4) == 0;
        unsigned most = full ? 3 * WORLD_PAGES : WORLD_STAGING;
        one_epoch(w, full, live, fake_random(&w->seed, most));
    }
}

static void memory_is_reproduced_exactly(void **state)
{
    (void)state;
    static const size_t caches[] = {WORLD_CACHE, 100 * WIRE_PAGE_SIZE, 0};
    for (size_t i = 0; i < ARRAY_LEN(caches); i++) {
        struct world w;

        world_open(&w, caches[i], (uint32_t)i + 1);
        random_epochs(&w, 50);
        for (int choice = PAGE_UNCHANGED; choice <= PAGE_DELTA; choice++) {
            bool needs_base = choice == PAGE_UNCHANGED || choice == PAGE_DELTA;
            assert_int_equal(w.e.sender.coding[choice + 1] > 0, !needs_base || caches[i] > 0);
        }
        world_close(&w);
    }
}

static void memory_is_reproduced_without_any_feature(void **state)
{
    (void)state;
    struct world w;

    world_open(&w, WORLD_CACHE, 9);
    w.e.features = 0;
    epochs_connect(&w.e);
    random_epochs(&w, 10);
    assert_int_equal(w.e.sender.coding[PAGE_DELTA + 1] + w.e.sender.coding[PAGE_LZ4 + 1], 0);
    world_close(&w);
}

/* What was sent of an epoch whose session broke off is no base for the next session. */
static void new_session_after_a_loss_starts_from_nothing(void **state)
{
    (void)state;
    struct world w;
    struct err err;

    world_open(&w, WORLD_CACHE, 5);
    for (unsigned session = 0; session < 4; session++) {
        random_epochs(&w, 4);
        guest_runs(&w, 300);
        assert_int_equal(sender_begin(&w.e.sender, w.epoch + 1, session % 2 ? WIRE_EPOCH_FULL : 0),
                         0);
        assert_int_equal(capture_epoch(&w.c, NULL, 10, false, no_cut, NULL, &err), 0);
        sender_from_staging(&w.e.sender, w.c.pfn, w.c.pages, w.c.staging);
        assert_int_equal(sender_step(&w.e.sender, &err), 1);
        epochs_turn(&w.e);
        memset(w.e.replica.mem, 0, (size_t)WORLD_PAGES * WIRE_PAGE_SIZE); /* another replica */
        epochs_connect(&w.e);
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_reproduced_exactly),
        cmocka_unit_test(memory_is_reproduced_without_any_feature),
        cmocka_unit_test(new_session_after_a_loss_starts_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
