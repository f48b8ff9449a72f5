/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fake_hv_util.h"

#include "backupd/staging.h"
#include "engine/base/fault.h"

#define CHUNK_BYTES ((size_t)STAGING_CHUNK_PAGES * HV_PAGE_SIZE)

/* Memory that cannot be had is refused here, not a crash. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void arm(const char *fault)
{
    assert_int_equal(setenv("REMUS_FAULT", fault, 1), 0);
    assert_int_equal(fault_init(), 0);
}

/* Stages pages `from`..`to` - 1, each full of its number. */
static void fill(struct staging *s, uint64_t from, uint64_t to)
{
    for (uint64_t pfn = from; pfn < to; pfn++) {
        uint8_t *page = staging_next(s, pfn);
        assert_non_null(page);
        memset(page, (int)(pfn % 251), HV_PAGE_SIZE);
    }
}

static void pages_stay_what_they_are(void **state)
{
    (void)state;
    struct staging s;
    const size_t limit = 3 * STAGING_CHUNK_PAGES - 7;

    assert_int_equal(staging_init(&s, limit), 0);
    for (unsigned round = 0; round < 3; round++) {
        fill(&s, round, round + limit);
        for (size_t i = 0; i < limit; i++) {
            assert_int_equal(s.pfn[i], round + i);
            assert_int_equal(staging_page(&s, i)[0], (round + i) % 251);
            assert_int_equal(staging_page(&s, i)[HV_PAGE_SIZE - 1], (round + i) % 251);
        }
        staging_reset(&s);
        assert_int_equal(s.count, 0);
    }
    staging_free(&s);
}

static void limit_holds(void **state)
{
    (void)state;
    static const size_t limits[] = {0, 1, STAGING_CHUNK_PAGES, STAGING_CHUNK_PAGES + 1};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        struct staging s;

        assert_int_equal(staging_init(&s, limits[i]), 0);
        fill(&s, 0, limits[i]);
        for (unsigned again = 0; again < 2; again++) {
            errno = 0;
            assert_null(staging_next(&s, 7));
            assert_int_equal(errno, ENOSPC);
            assert_int_equal(s.count, limits[i]);
        }
        assert_true(staging_bytes(&s) <= limits[i] * HV_PAGE_SIZE + CHUNK_BYTES);
        staging_reset(&s);
        fill(&s, 0, limits[i]);
        staging_free(&s);
    }
}

static void refused_memory_is_told_and_may_come_back(void **state)
{
    (void)state;
    struct staging s;

    assert_int_equal(staging_init(&s, 1000), 0);
    fill(&s, 0, STAGING_CHUNK_PAGES);
    arm("backup_stage_alloc:1:fail");
    errno = 0;
    assert_null(staging_next(&s, 900));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(s.count, STAGING_CHUNK_PAGES);
    assert_int_equal(staging_bytes(&s), CHUNK_BYTES);
    fill(&s, 900, 901);
    assert_int_equal(staging_bytes(&s), 2 * CHUNK_BYTES);
    arm("");
    staging_free(&s);
    assert_int_equal(staging_init(&s, SIZE_MAX / 16), -1);
    assert_int_equal(errno, ENOMEM);
    staging_free(&s);
}

/* A burst's memory comes back in a few epochs; what every epoch needs is kept. */
static void surplus_is_given_back(void **state)
{
    (void)state;
    struct staging s;

    assert_int_equal(staging_init(&s, 40 * STAGING_CHUNK_PAGES), 0);
    fill(&s, 0, 33 * STAGING_CHUNK_PAGES);
    staging_reset(&s);
    assert_int_equal(staging_bytes(&s), 33 * CHUNK_BYTES);
    for (unsigned epoch = 0; epoch < 7; epoch++) {
        size_t before = staging_bytes(&s);
        fill(&s, 0, 2 * STAGING_CHUNK_PAGES);
        assert_int_equal(staging_bytes(&s), before);
        staging_reset(&s);
        assert_true(staging_bytes(&s) < before || before == 2 * CHUNK_BYTES);
    }
    assert_int_equal(staging_bytes(&s), 2 * CHUNK_BYTES);
    for (unsigned epoch = 0; epoch < 7; epoch++)
        staging_reset(&s);
    assert_int_equal(staging_bytes(&s), CHUNK_BYTES);
    staging_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_stay_what_they_are),
        cmocka_unit_test(limit_holds),
        cmocka_unit_test(refused_memory_is_told_and_may_come_back),
        cmocka_unit_test(surplus_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
