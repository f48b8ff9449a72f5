/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/store_util.h"

static void fresh_store_has_nothing_to_resume(void **state)
{
    struct stored *t = *state;
    struct store s;

    assert_int_equal(store_init(&s, &t->replica.r, 1, 10, STORE_PAGES), 0);
    assert_false(s.usable);
    assert_int_equal(s.sealed, 0);
    store_free(&s);
    store_free(&s);
}

static void replica_changes_after_the_seal_only(void **state)
{
    struct stored *t = *state;

    stored_begin(t, 2, 0);
    stored_page(t, 3, 0xee);
    stored_page(t, STORE_PAGES - 1, 0xdd);
    assert_int_equal(stored_send(t), 0);
    stored_state(t, "state 2");
    stored_untouched(t, 1);
    assert_int_equal(stored_verify(t), 0);
    stored_untouched(t, 1);
    store_seal(&t->store);
    stored_untouched(t, 2);
    assert_int_equal(store_apply(&t->store, &t->err), 0);
    assert_true(t->store.usable);
    memset(t->before + 3 * WIRE_PAGE_SIZE, 0xee, WIRE_PAGE_SIZE);
    memset(t->before + (STORE_PAGES - 1) * WIRE_PAGE_SIZE, 0xdd, WIRE_PAGE_SIZE);
    assert_memory_equal(t->replica.mem, t->before, (size_t)STORE_PAGES * WIRE_PAGE_SIZE);
    assert_int_equal(t->replica.state_len, 7);
    assert_memory_equal(t->replica.state, "state 2", 7);
}

static void every_coding_is_taken(void **state)
{
    struct stored *t = *state;
    uint8_t page[WIRE_PAGE_SIZE], out[WIRE_PAGE_SIZE];
    uint32_t len;

    stored_begin(t, 2, 0);
    memset(page, 0, sizeof(page));
    batch_add(&t->batch, 10, WIRE_PAGE_ZERO, NULL, 0);
    digest_page(t->digest, 10, page);
    memset(page, 11, sizeof(page)); /* as the replica has it, but for one octet */
    page[100] = 0;
    assert_int_equal(
        page_encode(page, t->replica.mem + 11 * WIRE_PAGE_SIZE, WIRE_FEATURES_ALL, out, &len),
        PAGE_DELTA);
    batch_add(&t->batch, 11, WIRE_PAGE_DELTA, out, (uint16_t)len);
    digest_page(t->digest, 11, page);
    assert_int_equal(page_encode(page, NULL, WIRE_FEATURES_ALL, out, &len), PAGE_LZ4);
    batch_add(&t->batch, 12, WIRE_PAGE_LZ4, out, (uint16_t)len);
    digest_page(t->digest, 12, page);
    assert_int_equal(stored_send(t), 0);
    stored_state(t, "s");
    stored_seal(t);
    assert_int_equal(store_apply(&t->store, &t->err), 0);
    assert_memory_equal(t->replica.mem + 11 * WIRE_PAGE_SIZE, page, sizeof(page));
    assert_memory_equal(t->replica.mem + 12 * WIRE_PAGE_SIZE, page, sizeof(page));
    memset(page, 0, sizeof(page));
    assert_memory_equal(t->replica.mem + 10 * WIRE_PAGE_SIZE, page, sizeof(page));
}

/* ---- epochs in place ---- */

static void epoch_in_place_makes_the_replica_unusable_until_it_is_applied(void **state)
{
    struct stored *t = *state;

    stored_begin(t, 2, WIRE_EPOCH_FULL);
    assert_false(t->store.usable);
    for (unsigned pass = 0; pass < 3; pass++) { /* far beyond staging, and again */
        for (unsigned pfn = 0; pfn < WIRE_PAGES_MAX; pfn++)
            stored_page(t, pfn, (uint8_t)(pfn + pass));
        assert_int_equal(stored_send(t), 0);
        assert_int_equal(t->replica.mem[5 * WIRE_PAGE_SIZE], 5 + pass);
    }
    stored_state(t, "state 2");
    stored_seal(t);
    assert_int_equal(t->store.sealed, 2);
    assert_false(t->store.usable);
    assert_int_equal(store_apply(&t->store, &t->err), 0);
    assert_true(t->store.usable);
    assert_memory_equal(t->replica.state, "state 2", 7);
}

static void epoch_in_place_that_breaks_off_leaves_nothing_to_resume(void **state)
{
    struct stored *t = *state;

    stored_begin(t, 2, WIRE_EPOCH_FULL);
    stored_page(t, 1, 99);
    assert_int_equal(stored_send(t), 0);
    store_abandon(&t->store);
    assert_false(t->store.usable);
    /* Nor does an ordinary epoch that is not applied make up for it. */
    stored_begin(t, 3, 0);
    stored_state(t, "s");
    stored_seal(t);
    assert_false(t->store.usable);
}

static void failed_write_in_place_is_told(void **state)
{
    struct stored *t = *state;

    stored_begin(t, 2, WIRE_EPOCH_FULL);
    stored_page(t, 1, 99);
    t->replica.fail = (struct fake_fail){"write", EIO, 1};
    assert_int_equal(stored_send(t), -1);
    assert_int_equal(errno, EIO);
    assert_false(t->store.usable);
}

/* ---- apply ---- */

static void sealed_page(struct stored *t)
{
    stored_begin(t, 2, 0);
    for (unsigned pfn = 0; pfn < 20; pfn++)
        stored_page(t, pfn * 10, 0xaa);
    assert_int_equal(stored_send(t), 0);
    stored_state(t, "state 2");
    stored_seal(t);
}

static void applied_exactly(struct stored *t)
{
    for (unsigned pfn = 0; pfn < 20; pfn++)
        memset(t->before + pfn * 10 * WIRE_PAGE_SIZE, 0xaa, WIRE_PAGE_SIZE);
    assert_memory_equal(t->replica.mem, t->before, (size_t)STORE_PAGES * WIRE_PAGE_SIZE);
    assert_memory_equal(t->replica.state, "state 2", 7);
    assert_true(t->store.usable);
    assert_int_equal(t->store.sealed, 2);
}

static void apply_that_failed_can_be_done_again(void **state)
{
    struct stored *t = *state;
    static const char *const ops[] = {"write", "set_state"};

    sealed_page(t);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        t->replica.fail = (struct fake_fail){ops[i], ENOMEM, 1};
        assert_int_equal(store_apply(&t->store, &t->err), -1);
        assert_int_equal(errno, ENOMEM);
        assert_false(t->store.usable);
    }
    assert_int_equal(store_apply(&t->store, &t->err), 0);
    applied_exactly(t);
}

static void apply_is_idempotent(void **state)
{
    struct stored *t = *state;

    sealed_page(t);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(store_apply(&t->store, &t->err), 0);
        applied_exactly(t);
    }
    assert_int_equal(t->replica.writes, 20);
}

static void image_is_compared_when_its_digest_is_known(void **state)
{
    struct stored *t = *state;
    uint8_t digest[16] = {0};

    assert_int_equal(store_check_image(&t->store, digest, &t->err), 0);
    digest_image_reset(t->digest);
    for (unsigned pfn = 0; pfn < STORE_PAGES; pfn++)
        digest_image_page(t->digest, t->replica.mem + pfn * WIRE_PAGE_SIZE);
    digest_final(t->digest, digest);
    assert_int_equal(store_check_image(&t->store, digest, &t->err), 0);
    t->replica.mem[17 * WIRE_PAGE_SIZE + 5] ^= 1;
    assert_int_equal(store_check_image(&t->store, digest, &t->err), -1);
    assert_int_equal(errno, EBADMSG);
    assert_non_null(strstr(t->err.text, "epoch 1"));
}

/* ---- what goes with the memory ---- */

static void addresses_count_from_the_seal_on(void **state)
{
    struct stored *t = *state;
    struct msg_addrs one = {.count = 1, .addr = {{.family = 4, .ip = {10, 0, 0, 1}}}}, two = one;

    two.addr[0].ip[3] = 2;
    stored_begin(t, 2, 0);
    store_addrs(&t->store, &one);
    assert_int_equal(t->store.sealed_addrs.count, 0);
    stored_state(t, "s");
    stored_seal(t);
    assert_int_equal(t->store.sealed_addrs.addr[0].ip[3], 1);
    assert_int_equal(store_apply(&t->store, &t->err), 0);

    stored_begin(t, 3, 0); /* breaks off */
    store_addrs(&t->store, &two);
    stored_begin(t, 3, 0);
    stored_state(t, "s");
    stored_seal(t);
    assert_int_equal(t->store.sealed_addrs.addr[0].ip[3], 1);
}

static void state_of_several_records_is_joined(void **state)
{
    struct stored *t = *state;
    static uint8_t octets[WIRE_STATE_MAX];

    stored_begin(t, 2, 0);
    for (size_t i = 0; i < sizeof(octets); i++)
        octets[i] = (uint8_t)(i * 7 + i / 4096);
    for (size_t at = 0; at < sizeof(octets); at += WIRE_STATE_CHUNK) {
        size_t left = sizeof(octets) - at;
        uint32_t n = (uint32_t)(left < WIRE_STATE_CHUNK ? left : WIRE_STATE_CHUNK);
        struct msg_state m = {.epoch = 2,
                              .total_len = sizeof(octets),
                              .offset = (uint32_t)at,
                              .len = n,
                              .data = octets + at};
        store_state(&t->store, &m);
    }
    digest_state(t->digest, octets, sizeof(octets));
    stored_seal(t);
    assert_int_equal(store_apply(&t->store, &t->err), 0);
    assert_int_equal(t->replica.state_len, sizeof(octets));
    assert_memory_equal(t->replica.state, octets, sizeof(octets));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORED_TEST(fresh_store_has_nothing_to_resume),
        STORED_TEST(replica_changes_after_the_seal_only),
        STORED_TEST(every_coding_is_taken),
        STORED_TEST(epoch_in_place_makes_the_replica_unusable_until_it_is_applied),
        STORED_TEST(epoch_in_place_that_breaks_off_leaves_nothing_to_resume),
        STORED_TEST(failed_write_in_place_is_told),
        STORED_TEST(apply_that_failed_can_be_done_again),
        STORED_TEST(apply_is_idempotent),
        STORED_TEST(image_is_compared_when_its_digest_is_known),
        STORED_TEST(addresses_count_from_the_seal_on),
        STORED_TEST(state_of_several_records_is_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
