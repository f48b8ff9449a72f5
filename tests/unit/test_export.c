/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/store_util.h"

#include <stdio.h>
#include <unistd.h>

#include "backupd/export.h"
#include "engine/base/file.h"

#define ITEM (sizeof(uint64_t) + HV_PAGE_SIZE)
#define HOLE 5u

/* An export of the replica behind a store that goes on with its epochs. */
struct exported {
    struct stored *t;
    struct event_base *base;
    struct export *x;
    char dir[64], path[96];
    size_t limit;
    unsigned ended;
    bool done;
    struct err err;
    uint8_t *expected; /* the replica when the export began */
};

static void on_end(const struct err *err, void *arg)
{
    struct exported *e = arg;

    e->ended++;
    e->done = !err;
    if (err)
        e->err = *err;
}

static void on_before_write(const uint64_t *pfn, size_t n, void *arg)
{
    struct exported *e = arg;

    assert_int_equal(export_before_write(e->x, pfn, n, &e->err), 0);
}

static void begin(struct exported *e)
{
    const struct export_args args = {.base = e->base,
                                     .replica = &e->t->replica.r,
                                     .path = e->path,
                                     .limit = e->limit,
                                     .on_end = on_end,
                                     .arg = e};

    e->x = export_new(&args, &e->err);
    assert_non_null(e->x);
    memcpy(e->expected, e->t->replica.mem, (size_t)STORE_PAGES * HV_PAGE_SIZE);
    e->t->store.before_write = on_before_write;
    e->t->store.before_write_arg = e;
}

/* A whole epoch that writes `n` pages chosen by `seed`. */
static void epoch(struct exported *e, uint64_t number, unsigned n, uint32_t *seed, uint32_t flags)
{
    struct stored *t = e->t;
    bool used[STORE_PAGES] = {false};

    stored_begin(t, number, flags);
    for (unsigned i = 0; i < n; i++) {
        uint32_t pfn = fake_random(seed, STORE_PAGES);
        if (!used[pfn])
            stored_page(t, pfn, (uint8_t)(100 + number + i));
        used[pfn] = true;
    }
    assert_int_equal(stored_send(t), 0);
    stored_state(t, "another state");
    stored_seal(t);
    assert_int_equal(store_apply(&t->store, &t->err), 0);
}

/* The file is the replica as it was, each page once, whatever the order. */
static void expect_file(const struct exported *e)
{
    static bool seen[STORE_PAGES];
    const size_t memory = (STORE_PAGES - 1) * ITEM;
    char *text;
    size_t len;

    memset(seen, 0, sizeof(seen));
    assert_int_equal(file_read(e->path, 8u << 20, &text, &len), 0);
    assert_int_equal(len, 1 + memory + 1 + strlen("state 1"));
    assert_int_equal(text[0], 'H');
    for (size_t at = 1; at < 1 + memory; at += ITEM) {
        uint64_t pfn;
        memcpy(&pfn, text + at, sizeof(pfn));
        assert_true(pfn < STORE_PAGES && pfn != HOLE && !seen[pfn]);
        seen[pfn] = true;
        assert_memory_equal(text + at + sizeof(pfn), e->expected + pfn * HV_PAGE_SIZE,
                            HV_PAGE_SIZE);
    }
    assert_memory_equal(text + 1 + memory, "Tstate 1", 8);
    free(text);
}

static void run_to_the_end(struct exported *e)
{
    while (!e->ended)
        event_base_loop(e->base, EVLOOP_ONCE);
    assert_int_equal(e->ended, 1);
}

static void untouched_replica_is_written(void **state)
{
    struct exported *e = *state;
    struct export_progress p;

    begin(e);
    run_to_the_end(e);
    assert_true(e->done);
    expect_file(e);
    export_progress(e->x, &p);
    assert_int_equal(p.memory, (uint64_t)STORE_PAGES * HV_PAGE_SIZE);
    assert_int_equal(p.octets, 1 + (STORE_PAGES - 1) * ITEM + 8);
}

static void epochs_meanwhile_do_not_show(void **state)
{
    struct exported *e = *state;
    uint32_t seed = 1;
    uint64_t number = 2;

    begin(e);
    for (; number < 6; number++) /* before the first page is out */
        epoch(e, number, 50, &seed, 0);
    while (!e->ended) {
        event_base_loop(e->base, EVLOOP_ONCE);
        if (number < 100)
            epoch(e, number++, 50, &seed, 0);
    }
    assert_true(e->done);
    assert_true(memcmp(e->expected, e->t->replica.mem, (size_t)STORE_PAGES * HV_PAGE_SIZE) != 0);
    expect_file(e);
}

static void epoch_in_place_does_not_show(void **state)
{
    struct exported *e = *state;
    uint32_t seed = 2;

    begin(e);
    epoch(e, 2, WIRE_PAGES_MAX, &seed, WIRE_EPOCH_FULL);
    run_to_the_end(e);
    assert_true(e->done);
    expect_file(e);
}

static void page_named_twice_is_written_once(void **state)
{
    struct exported *e = *state;
    const uint64_t pfn[] = {7, 8, 7};

    begin(e);
    assert_int_equal(export_before_write(e->x, pfn, 3, &e->err), 0);
    run_to_the_end(e);
    assert_true(e->done);
    expect_file(e);
}

static void memory_is_bounded(void **state)
{
    struct exported *e = *state;
    uint64_t pfn[STORE_PAGES];

    for (unsigned i = 0; i < STORE_PAGES; i++)
        pfn[i] = i;
    e->limit = HV_FILE_PAGES * HV_PAGE_SIZE + 100; /* one piece, and another does not fit */
    begin(e);
    assert_int_equal(export_before_write(e->x, pfn, STORE_PAGES, &e->err), -1);
    assert_int_equal(errno, ENOBUFS);
    assert_non_null(strstr(e->err.text, "faster than the file is written"));
}

static void failure_of_the_hypervisor_ends_it(void **state)
{
    struct exported *e = *state;

    begin(e);
    e->t->replica.fail = (struct fake_fail){.op = "file_part", .error = EIO, .calls = 1};
    run_to_the_end(e);
    assert_false(e->done);
    assert_string_equal(e->err.text, "fake file_part");
}

static void refusal_of_the_backend_begins_nothing(void **state)
{
    struct exported *e = *state;
    const struct export_args args = {
        .base = e->base, .replica = &e->t->replica.r, .path = e->path, .limit = 1u << 30};

    e->t->replica.fail = (struct fake_fail){.op = "file_part", .error = EOPNOTSUPP, .calls = 1};
    assert_null(export_new(&args, &e->err));
    assert_int_equal(errno, EOPNOTSUPP);
}

static int set_up(void **state)
{
    struct exported *e = calloc(1, sizeof(*e));
    void *stored;

    assert_non_null(e);
    *state = e;
    assert_int_equal(stored_setup(&stored), 0);
    e->t = stored;
    e->t->replica.hole = HOLE;
    e->limit = 64u << 20;
    e->expected = malloc((size_t)STORE_PAGES * HV_PAGE_SIZE);
    e->base = event_base_new();
    snprintf(e->dir, sizeof(e->dir), "/tmp/test_export_XXXXXX");
    assert_non_null(mkdtemp(e->dir));
    snprintf(e->path, sizeof(e->path), "%s/vm", e->dir);
    return 0;
}

/* Nothing but the whole file stays behind. */
static int tear_down(void **state)
{
    struct exported *e = *state;
    void *stored = e->t;

    export_free(e->x);
    if (e->done && unlink(e->path))
        return -1;
    while (rmdir(e->dir) && errno == ENOTEMPTY) /* what was given up is being removed */
        usleep(1000);
    event_base_free(e->base);
    free(e->expected);
    free(e);
    return stored_teardown(&stored);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(untouched_replica_is_written),
        T(epochs_meanwhile_do_not_show),
        T(epoch_in_place_does_not_show),
        T(page_named_twice_is_written_once),
        T(memory_is_bounded),
        T(failure_of_the_hypervisor_ends_it),
        T(refusal_of_the_backend_begins_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
