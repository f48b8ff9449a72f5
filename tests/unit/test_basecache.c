/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fake_hv_util.h"

#include "engine/basecache.h"

#define PAGES 40

/* Memory that cannot be had is refused here, not a crash. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static const uint8_t *page_of(uint64_t pfn, uint8_t version)
{
    static uint8_t page[HV_PAGE_SIZE];

    memset(page, version, sizeof(page));
    memcpy(page, &pfn, sizeof(pfn));
    return page;
}

static void init(struct basecache *c, size_t max_bytes)
{
    assert_int_equal(basecache_init(c, PAGES, max_bytes), 0);
}

static void holds_every_page_when_there_is_room(void **state)
{
    (void)state;
    struct basecache c;

    init(&c, (size_t)PAGES * 3 * HV_PAGE_SIZE);
    assert_int_equal(c.slots, PAGES);
    for (uint64_t pfn = 0; pfn < PAGES; pfn++)
        assert_null(basecache_get(&c, pfn));
    for (uint8_t version = 1; version < 3; version++) {
        for (uint64_t pfn = 0; pfn < PAGES; pfn++)
            basecache_put(&c, pfn, page_of(pfn, version));
    }
    for (uint64_t pfn = 0; pfn < PAGES; pfn++)
        assert_memory_equal(basecache_get(&c, pfn), page_of(pfn, 2), HV_PAGE_SIZE);
    basecache_free(&c);
}

/* With fewer slots than pages an entry is the newest put or absent, never another page's. */
static void short_cache_forgets_but_never_lies(void **state)
{
    (void)state;
    for (size_t slots = 1; slots < PAGES; slots += 6) {
        struct basecache c;
        uint8_t version[PAGES] = {0};
        uint32_t seed = 1;
        unsigned hits = 0;

        init(&c, slots * HV_PAGE_SIZE + HV_PAGE_SIZE - 1);
        assert_int_equal(c.slots, slots);
        for (unsigned i = 0; i < 500; i++) {
            uint64_t pfn = fake_random(&seed, PAGES), look = fake_random(&seed, PAGES);
            basecache_put(&c, pfn, page_of(pfn, ++version[pfn]));
            assert_non_null(basecache_get(&c, pfn));
            const uint8_t *got = basecache_get(&c, look);
            if (!got)
                continue;
            hits++;
            assert_memory_equal(got, page_of(look, version[look]), HV_PAGE_SIZE);
        }
        assert_true(hits > 0);
        basecache_free(&c);
    }
}

static void cleared_cache_holds_nothing(void **state)
{
    (void)state;
    struct basecache c;

    init(&c, (size_t)PAGES * HV_PAGE_SIZE);
    for (uint64_t pfn = 0; pfn < PAGES; pfn++)
        basecache_put(&c, pfn, page_of(pfn, 1));
    basecache_clear(&c);
    for (uint64_t pfn = 0; pfn < PAGES; pfn++)
        assert_null(basecache_get(&c, pfn));
    basecache_put(&c, 3, page_of(3, 2));
    assert_memory_equal(basecache_get(&c, 3), page_of(3, 2), HV_PAGE_SIZE);
    basecache_free(&c);
}

static void no_room_is_a_cache_that_holds_nothing(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < HV_PAGE_SIZE; bytes += HV_PAGE_SIZE - 1) {
        struct basecache c;
        init(&c, bytes);
        basecache_put(&c, 1, page_of(1, 1));
        assert_null(basecache_get(&c, 1));
        basecache_clear(&c);
        basecache_free(&c);
        basecache_free(&c);
    }
}

static void refused_memory_is_told(void **state)
{
    (void)state;
    struct basecache c;

    errno = 0;
    assert_int_equal(basecache_init(&c, UINT64_MAX / HV_PAGE_SIZE, SIZE_MAX), -1);
    assert_int_equal(errno, ENOMEM);
    basecache_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_every_page_when_there_is_room),
        cmocka_unit_test(short_cache_forgets_but_never_lies),
        cmocka_unit_test(cleared_cache_holds_nothing),
        cmocka_unit_test(no_room_is_a_cache_that_holds_nothing),
        cmocka_unit_test(refused_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
