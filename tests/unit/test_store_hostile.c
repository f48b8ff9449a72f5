/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/store_util.h"

#include "engine/base/fault.h"

/* Whatever an epoch is refused for, the replica stays the sealed one, and the next epoch works. */

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

static void next_epoch_works(struct stored *t)
{
    store_abandon(&t->store);
    stored_untouched(t, 1);
    stored_begin(t, 2, 0);
    for (unsigned pfn = 0; pfn < STORE_STAGING; pfn++)
        stored_page(t, STORE_PAGES - 1 - pfn, 0x5a);
    assert_int_equal(stored_send(t), 0);
    stored_state(t, "again");
    stored_seal(t);
    assert_int_equal(store_apply(&t->store, &t->err), 0);
    assert_int_equal(t->replica.mem[(STORE_PAGES - 1) * WIRE_PAGE_SIZE], 0x5a);
    memset(t->before + (STORE_PAGES - STORE_STAGING) * WIRE_PAGE_SIZE, 0x5a,
           STORE_STAGING * WIRE_PAGE_SIZE);
    assert_memory_equal(t->replica.mem, t->before, (size_t)STORE_PAGES * WIRE_PAGE_SIZE);
}

static void refused(struct stored *t, int error)
{
    assert_int_equal(stored_send(t), -1);
    assert_int_equal(errno, error);
    assert_true(t->err.text[0] != '\0');
    stored_untouched(t, 1);
    next_epoch_works(t);
}

/* ---- digest ---- */

/* What the sender took for its digest, where the backup got something else. */
enum tamper {
    PAGE_OCTET,
    PAGE_NUMBER,
    PAGE_MISSING,
    PAGE_ORDER,
    STATE,
    FRAME,
    FRAME_EXTRA,
    EPOCH,
    GENERATION,
    TAMPERS
};

static void digest_of(struct stored *t, enum tamper how)
{
    uint8_t page[WIRE_PAGE_SIZE], frame[WIRE_FRAME_MIN] = {1};
    bool swap = how == PAGE_ORDER;

    digest_reset(t->digest, STORE_GENERATION + (how == GENERATION), 2 + (how == EPOCH));
    for (unsigned i = 0; i < 2; i++) {
        unsigned n = swap ? 1 - i : i;
        memset(page, 0xa0 + (int)n, sizeof(page));
        page[4000] ^= how == PAGE_OCTET;
        if (how != PAGE_MISSING || i == 0)
            digest_page(t->digest, 20 + n + (how == PAGE_NUMBER), page);
    }
    frame[5] = how == FRAME;
    digest_frame(t->digest, frame, sizeof(frame));
    if (how == FRAME_EXTRA)
        digest_frame(t->digest, frame, sizeof(frame));
    digest_state(t->digest, how == STATE ? "sTate" : "state", 5);
}

static void wrong_digest_is_refused(void **state)
{
    struct stored *t = *state;
    static const uint8_t frame[WIRE_FRAME_MIN] = {1};

    for (int how = 0; how <= TAMPERS; how++) { /* TAMPERS: nothing is wrong */
        stored_begin(t, 2, 0);
        stored_page(t, 20, 0xa0);
        stored_page(t, 21, 0xa1);
        assert_int_equal(stored_send(t), 0);
        store_frame(&t->store, frame, sizeof(frame));
        stored_state(t, "state");
        digest_of(t, (enum tamper)how);
        assert_int_equal(stored_verify(t), how == TAMPERS ? 0 : -1);
        assert_int_equal(errno, how == TAMPERS ? 0 : EBADMSG);
        stored_untouched(t, 1);
    }
    next_epoch_works(t);
}

/* ---- pages ---- */

static void page_that_comes_twice_is_refused(void **state)
{
    struct stored *t = *state;

    for (unsigned records = 1; records <= 2; records++) {
        stored_begin(t, 2, 0);
        stored_page(t, 64, 1);
        stored_page(t, 65, 1);
        if (records == 2)
            assert_int_equal(stored_send(t), 0);
        stored_page(t, 64, 1);
        assert_int_equal(stored_send(t), -1);
        assert_int_equal(errno, EBADMSG);
        stored_untouched(t, 1);
    }
    next_epoch_works(t);
}

static void page_out_of_range_is_refused(void **state)
{
    struct stored *t = *state;
    static const uint64_t pfn[] = {STORE_PAGES, STORE_PAGES + 63, WIRE_PFN_MAX, UINT64_MAX};

    for (size_t i = 0; i < ARRAY_LEN(pfn); i++) {
        stored_begin(t, 2, 0);
        stored_page(t, 1, 1);
        stored_page(t, pfn[i], 1);
        assert_int_equal(stored_send(t), -1);
        assert_int_equal(errno, EBADMSG);
        stored_untouched(t, 1);
    }
    stored_begin(t, 2, 0);
    batch_add(&t->batch, STORE_PAGES, WIRE_PAGE_DELTA, "\0\1x", 3);
    refused(t, EBADMSG);
}

static void page_out_of_range_is_not_written_in_place(void **state)
{
    struct stored *t = *state;

    stored_begin(t, 2, WIRE_EPOCH_FULL);
    stored_page(t, STORE_PAGES, 0xcc);
    assert_int_equal(stored_send(t), -1);
    assert_int_equal(errno, EBADMSG);
    assert_int_equal(t->replica.writes, 0);
    assert_false(t->store.usable);
}

static void page_that_does_not_decode_is_refused(void **state)
{
    struct stored *t = *state;
    static const struct {
        uint8_t coding;
        uint16_t len;
    } bad[] = {{WIRE_PAGE_RAW, 4095}, {WIRE_PAGE_LZ4, 40}, {WIRE_PAGE_LZ4, 0},
               {WIRE_PAGE_DELTA, 2},  {WIRE_PAGE_ZERO, 1}, {4, 10},
               {255, 4096},           {WIRE_PAGE_DELTA, 0}};
    uint8_t data[WIRE_PAGE_SIZE];

    memset(data, 0xff, sizeof(data));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        stored_begin(t, 2, 0);
        stored_page(t, 3, 3);
        batch_add(&t->batch, 4, bad[i].coding, data, bad[i].len);
        assert_int_equal(stored_send(t), -1);
        assert_int_equal(errno, EBADMSG);
        stored_untouched(t, 1);
    }
    next_epoch_works(t);
}

/* ---- memory ---- */

static void epoch_beyond_staging_is_refused(void **state)
{
    struct stored *t = *state;

    stored_begin(t, 2, 0);
    for (unsigned pfn = 0; pfn <= STORE_STAGING; pfn++)
        stored_page(t, pfn, 1);
    refused(t, ENOSPC);
}

static void refused_memory_refuses_the_epoch(void **state)
{
    struct stored *t = *state;

    stored_begin(t, 2, 0);
    stored_page(t, 1, 1);
    arm("backup_stage_alloc:1:fail");
    refused(t, ENOMEM);
    arm("");
}

/* Each page is within the VM's addresses, but there is not to be memory behind all of them. */
static void replica_grows_to_its_limit_only(void **state)
{
    struct stored *t = *state;

    t->store.memory_max = STORE_PAGES - 1;
    stored_begin(t, 2, 0);
    stored_page(t, 1, 1);
    assert_int_equal(stored_send(t), 0);
    stored_state(t, "s");
    stored_seal(t);
    assert_int_equal(store_apply(&t->store, &t->err), -1);
    assert_int_equal(errno, E2BIG);
    assert_false(t->store.usable);
    stored_begin(t, 3, WIRE_EPOCH_FULL);
    stored_page(t, 1, 1);
    assert_int_equal(stored_send(t), -1);
    assert_int_equal(errno, E2BIG);
}

static void store_without_memory_is_not_made(void **state)
{
    struct stored *t = *state;
    struct store s;

    errno = 0;
    assert_int_equal(store_init(&s, &t->replica.r, 1, SIZE_MAX / 16, STORE_PAGES), -1);
    assert_int_equal(errno, ENOMEM);
    store_free(&s);
}

/* Pages of noise, in every order, with every coding: refused or taken, never a crash. */
static void noise_never_reaches_the_replica(void **state)
{
    struct stored *t = *state;
    uint32_t seed = 11;
    uint8_t data[WIRE_PAGE_SIZE];
    unsigned taken = 0;

    for (unsigned round = 0; round < 400; round++) {
        stored_begin(t, 2, 0);
        for (uint32_t n = 1 + fake_random(&seed, 5); n > 0; n--) {
            uint8_t coding = (uint8_t)fake_random(&seed, 4);
            uint32_t len = WIRE_DELTA_MIN + fake_random(&seed, 300);
            if (coding == WIRE_PAGE_ZERO || coding == WIRE_PAGE_RAW)
                len = coding == WIRE_PAGE_RAW ? WIRE_PAGE_SIZE : 0;
            for (size_t i = 0; i < len; i++)
                data[i] = (uint8_t)fake_random(&seed, 256);
            batch_add(&t->batch, fake_random(&seed, STORE_PAGES + 9), coding, data, (uint16_t)len);
        }
        taken += stored_send(t) == 0;
        stored_untouched(t, 1);
    }
    assert_in_range(taken, 1, 399);
    next_epoch_works(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORED_TEST(wrong_digest_is_refused),
        STORED_TEST(page_that_comes_twice_is_refused),
        STORED_TEST(page_out_of_range_is_refused),
        STORED_TEST(page_out_of_range_is_not_written_in_place),
        STORED_TEST(page_that_does_not_decode_is_refused),
        STORED_TEST(epoch_beyond_staging_is_refused),
        STORED_TEST(refused_memory_refuses_the_epoch),
        STORED_TEST(replica_grows_to_its_limit_only),
        STORED_TEST(store_without_memory_is_not_made),
        STORED_TEST(noise_never_reaches_the_replica),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
