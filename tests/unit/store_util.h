/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_STORE_UTIL_H
#define REMUS_TESTS_STORE_UTIL_H

#include "tests/unit/fake_hv_util.h"

#include "backupd/store.h"
#include "proto/page.h"

/** A store over a fake replica, and records for it that no session has looked at. */

#define STORE_PAGES      300u
#define STORE_STAGING    64u
#define STORE_GENERATION 7u

/** One PAGES record. */
struct batch {
    uint8_t head[WIRE_PAGES_MAX * WIRE_PAGE_HEAD_LEN];
    uint8_t data[WIRE_PAGES_MAX * WIRE_PAGE_SIZE];
    uint32_t data_len;
    uint16_t count;
};

static inline void batch_add(struct batch *b, uint64_t pfn, uint8_t coding, const void *data,
                             uint16_t len)
{
    struct wcur w = {.p = b->head + b->count * WIRE_PAGE_HEAD_LEN,
                     .end = b->head + sizeof(b->head)};

    wcur_u64(&w, pfn);
    wcur_u8(&w, coding);
    wcur_u8(&w, 0);
    wcur_u16(&w, len);
    assert_false(w.bad);
    if (len > 0)
        memcpy(b->data + b->data_len, data, len);
    b->data_len += len;
    b->count++;
}

struct stored {
    struct fake_replica replica;
    struct store store;
    struct digest *digest; /* the sender's */
    struct batch batch;
    uint8_t *before; /* the replica's memory at the last look */
    struct msg_epoch_end end;
    struct err err;
};

static inline void stored_look(struct stored *t)
{
    memcpy(t->before, t->replica.mem, (size_t)STORE_PAGES * WIRE_PAGE_SIZE);
    t->replica.writes = t->replica.states = 0;
}

/** Nothing has touched the replica, and it may be resumed from. */
static inline void stored_untouched(struct stored *t, uint64_t sealed)
{
    assert_int_equal(t->replica.writes + t->replica.states, 0);
    assert_memory_equal(t->replica.mem, t->before, (size_t)STORE_PAGES * WIRE_PAGE_SIZE);
    assert_true(t->store.usable);
    assert_int_equal(t->store.sealed, sealed);
}

static inline void stored_begin(struct stored *t, uint64_t epoch, uint32_t flags)
{
    struct msg_epoch_begin m = {.epoch = epoch, .flags = flags};

    t->end = (struct msg_epoch_end){.epoch = epoch};
    t->batch.count = 0;
    t->batch.data_len = 0;
    digest_reset(t->digest, STORE_GENERATION, epoch);
    store_begin(&t->store, &m);
}

/** Adds a page of one octet to the batch and to the sender's digest. */
static inline void stored_page(struct stored *t, uint64_t pfn, uint8_t value)
{
    uint8_t page[WIRE_PAGE_SIZE];

    memset(page, value, sizeof(page));
    batch_add(&t->batch, pfn, WIRE_PAGE_RAW, page, sizeof(page));
    digest_page(t->digest, pfn, page);
}

/** Hands over what is in the batch, as a record that was looked at on its way in. */
static inline int stored_send(struct stored *t)
{
    static uint8_t payload[WIRE_PAYLOAD_MAX];
    struct batch *b = &t->batch;
    struct wcur w = {.p = payload, .end = payload + sizeof(payload)};
    struct msg_pages m;

    wcur_u64(&w, t->store.epoch);
    wcur_u16(&w, b->count);
    wcur_u32(&w, b->data_len);
    wcur_bytes(&w, b->head, b->count * WIRE_PAGE_HEAD_LEN);
    wcur_bytes(&w, b->data, b->data_len);
    struct rcur r = {.p = payload, .end = w.p};
    b->count = 0;
    b->data_len = 0;
    errno = EBADMSG;
    if (!msg_pages_get(&r, &m))
        return err_set(&t->err, "", "the record is malformed");
    t->err.text[0] = '\0';
    errno = 0;
    return store_pages(&t->store, &m, &t->err);
}

static inline void stored_state(struct stored *t, const char *text)
{
    uint32_t len = (uint32_t)strlen(text);
    struct msg_state m = {
        .epoch = t->store.epoch, .total_len = len, .len = len, .data = (const uint8_t *)text};

    digest_state(t->digest, text, len);
    store_state(&t->store, &m);
}

static inline int stored_verify(struct stored *t)
{
    digest_final(t->digest, t->end.digest);
    t->err.text[0] = '\0';
    errno = 0;
    return store_verify(&t->store, &t->end, &t->err);
}

static inline void stored_seal(struct stored *t)
{
    assert_int_equal(stored_verify(t), 0);
    store_seal(&t->store);
}

/** Epoch 1 is sealed and applied: page n is full of n. */
static inline int stored_setup(void **state)
{
    struct stored *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    fake_replica_init(&t->replica, STORE_PAGES);
    t->digest = digest_new();
    t->before = malloc((size_t)STORE_PAGES * WIRE_PAGE_SIZE);
    assert_true(t->digest && t->before);
    assert_int_equal(
        store_init(&t->store, &t->replica.r, STORE_GENERATION, STORE_STAGING, STORE_PAGES), 0);
    stored_begin(t, 1, WIRE_EPOCH_FULL);
    for (unsigned pfn = 0; pfn < STORE_PAGES; pfn++) {
        stored_page(t, pfn, (uint8_t)pfn);
        if (t->batch.count == WIRE_PAGES_MAX || pfn == STORE_PAGES - 1)
            assert_int_equal(stored_send(t), 0);
    }
    stored_state(t, "state 1");
    stored_seal(t);
    assert_int_equal(store_apply(&t->store, &t->err), 0);
    assert_true(t->store.usable);
    stored_look(t);
    *state = t;
    return 0;
}

static inline int stored_teardown(void **state)
{
    struct stored *t = *state;

    store_free(&t->store);
    fake_replica_free(&t->replica);
    digest_free(t->digest);
    free(t->before);
    free(t);
    return 0;
}

#define STORED_TEST(f) cmocka_unit_test_setup_teardown(f, stored_setup, stored_teardown)

#endif
