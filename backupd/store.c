/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/fault.h"
#include "proto/page.h"

int store_init(struct store *s, struct hv_replica *replica, uint64_t generation,
               size_t staging_pages, uint64_t memory_max)
{
    *s = (struct store){.replica = replica, .generation = generation, .memory_max = memory_max};
    s->digest = digest_new();
    s->state = malloc(WIRE_STATE_MAX);
    s->decoded = malloc(WIRE_PAGE_SIZE);
    if (s->digest && s->state && s->decoded && staging_init(&s->staging, staging_pages) == 0 &&
        bitmap_init(&s->seen, hv_replica_pages(replica)) == 0)
        return 0;
    store_free(s);
    errno = ENOMEM;
    return -1;
}

void store_free(struct store *s)
{
    digest_free(s->digest);
    free(s->state);
    free(s->decoded);
    staging_free(&s->staging);
    bitmap_free(&s->seen);
    *s = (struct store){0};
}

void store_begin(struct store *s, const struct msg_epoch_begin *m)
{
    store_abandon(s);
    s->epoch = m->epoch;
    s->in_place = (m->flags & WIRE_EPOCH_FULL) != 0;
    if (s->in_place)
        s->usable = false;
    s->state_len = 0;
    s->addrs_new = false;
    digest_reset(s->digest, s->generation, s->epoch);
}

static int bad(struct err *err, const struct page_item *it, const char *what)
{
    errno = EBADMSG;
    return err_set(err, "", "page %llu %s", (unsigned long long)it->pfn, what);
}

/** Decodes one item into `out`; the base of a delta is what the replica holds. */
static int decode(struct store *s, const struct page_item *it, uint8_t *out, struct err *err)
{
    const uint8_t *base = NULL;

    if (it->pfn >= hv_replica_pages(s->replica))
        return bad(err, it, "is out of range");
    if (it->coding == WIRE_PAGE_DELTA) {
        base = hv_replica_page(s->replica, it->pfn);
        if (!base)
            return bad(err, it, "cannot be read");
    }
    if (!page_decode(it->coding, it->data, it->len, base, out))
        return bad(err, it, "does not decode");
    digest_page(s->digest, it->pfn, out);
    return 0;
}

static void announce(const struct store *s, const uint64_t *pfn, size_t n)
{
    if (s->before_write && n)
        s->before_write(pfn, n, s->before_write_arg);
}

static void announce_record(const struct store *s, const struct msg_pages *m)
{
    uint64_t pfn[WIRE_PAGES_MAX];
    struct pages_iter iter = {0};
    struct page_item it;
    size_t n = 0;

    while (msg_pages_next(m, &iter, &it)) {
        if (it.pfn < hv_replica_pages(s->replica))
            pfn[n++] = it.pfn;
    }
    announce(s, pfn, n);
}

/** Holes that were written to are memory now. */
static int check_memory(const struct store *s, struct err *err)
{
    uint64_t memory = hv_replica_memory(s->replica);

    if (memory <= s->memory_max)
        return 0;
    errno = E2BIG;
    return err_set(err, "raise replica_max_mb", "the VM has come to use %llu MiB, too many here",
                   (unsigned long long)(memory / 256));
}

static int pages_in_place(struct store *s, const struct msg_pages *m, struct err *err)
{
    struct pages_iter iter = {0};
    struct page_item it;
    const void *page = s->decoded;

    announce_record(s, m);
    /* One by one: a frame may come again in the same record, as a delta against its first form. */
    while (msg_pages_next(m, &iter, &it)) {
        if (decode(s, &it, s->decoded, err) < 0 ||
            hv_replica_write(s->replica, &it.pfn, &page, 1, err) < 0)
            return -1;
    }
    return check_memory(s, err);
}

static int pages_staged(struct store *s, const struct msg_pages *m, struct err *err)
{
    struct pages_iter iter = {0};
    struct page_item it;

    while (msg_pages_next(m, &iter, &it)) {
        uint8_t *out = staging_next(&s->staging, it.pfn);
        if (!out)
            return err_errno(err, "raise staging_mb", "epoch %llu is too large for staging",
                             (unsigned long long)s->epoch);
        if (decode(s, &it, out, err) < 0)
            return -1;
        if (bitmap_test(&s->seen, it.pfn))
            return bad(err, &it, "comes twice in one epoch");
        bitmap_set(&s->seen, it.pfn);
    }
    return 0;
}

int store_pages(struct store *s, const struct msg_pages *m, struct err *err)
{
    return s->in_place ? pages_in_place(s, m, err) : pages_staged(s, m, err);
}

void store_state(struct store *s, const struct msg_state *m)
{
    memcpy(s->state + m->offset, m->data, m->len); /* the session has checked order and bounds */
    s->state_len = m->total_len;
}

void store_addrs(struct store *s, const struct msg_addrs *m)
{
    s->addrs = *m;
    s->addrs_new = true;
}

void store_frame(struct store *s, const void *frame, size_t len)
{
    digest_frame(s->digest, frame, len);
}

int store_verify(struct store *s, const struct msg_epoch_end *m, struct err *err)
{
    uint8_t digest[16];

    digest_state(s->digest, s->state, s->state_len);
    digest_final(s->digest, digest);
    if (memcmp(digest, m->digest, sizeof(digest)) == 0)
        return 0;
    errno = EBADMSG;
    return err_set(err, "", "epoch %llu does not match its digest", (unsigned long long)s->epoch);
}

void store_seal(struct store *s)
{
    s->sealed = s->epoch;
    if (s->addrs_new)
        s->sealed_addrs = s->addrs;
    s->addrs_new = false;
}

int store_apply(struct store *s, struct err *err)
{
    s->usable = false;
    announce(s, s->staging.pfn, s->staging.count);
    for (size_t i = 0; i < s->staging.count; i++) {
        const void *page = staging_page(&s->staging, i);
        (void)FAULT(backup_apply_page);
        if (hv_replica_write(s->replica, &s->staging.pfn[i], &page, 1, err) < 0)
            return -1;
    }
    if (check_memory(s, err) < 0 ||
        hv_replica_set_state(s->replica, s->state, s->state_len, err) < 0)
        return -1;
    store_abandon(s);
    s->usable = true;
    return 0;
}

int store_check_image(struct store *s, const uint8_t digest[16], struct err *err)
{
    static const uint8_t none[16];
    uint8_t mine[16];

    if (memcmp(digest, none, sizeof(none)) == 0)
        return 0;
    digest_image_reset(s->digest);
    for (uint64_t pfn = 0; pfn < hv_replica_pages(s->replica); pfn++)
        digest_image_page(s->digest, hv_replica_page(s->replica, pfn));
    digest_final(s->digest, mine);
    if (memcmp(mine, digest, sizeof(mine)) == 0)
        return 0;
    errno = EBADMSG;
    return err_set(err, "", "the replica's memory differs from epoch %llu of the primary",
                   (unsigned long long)s->sealed);
}

void store_abandon(struct store *s)
{
    for (size_t i = 0; i < s->staging.count; i++) {
        if (s->staging.pfn[i] < s->seen.nbits)
            s->seen.word[s->staging.pfn[i] / 64] = 0;
    }
    staging_reset(&s->staging);
}
