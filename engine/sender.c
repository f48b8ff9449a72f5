/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/fault.h"
#include "proto/page.h"

int sender_init(struct sender *s, struct hv_vm *vm, uint64_t vm_pages, size_t cache_bytes)
{
    *s = (struct sender){.vm = vm};
    s->digest = digest_new();
    s->slice = malloc((size_t)WIRE_PAGES_MAX * WIRE_PAGE_SIZE);
    if (s->digest && s->slice && basecache_init(&s->base, vm_pages, cache_bytes) == 0)
        return 0;
    sender_free(s);
    errno = ENOMEM;
    return -1;
}

void sender_free(struct sender *s)
{
    digest_free(s->digest);
    free(s->slice);
    basecache_free(&s->base);
    *s = (struct sender){0};
}

void sender_session(struct sender *s, struct link *link)
{
    s->link = link;
    s->addrs_version = 0;
    basecache_clear(&s->base);
}

int sender_begin(struct sender *s, uint64_t epoch, uint32_t flags)
{
    struct msg_epoch_begin m = {.epoch = epoch, .flags = flags, .sent_ns = (uint64_t)mono_now().ns};
    s->epoch = epoch;
    s->pages = s->frames = 0;
    digest_reset(s->digest, link_session(s->link)->generation, epoch);
    return LINK_PUT(s->link, LINK_SMALL, session_put_epoch_begin, &m);
}

void sender_from_staging(struct sender *s, const uint64_t *pfn, size_t count, const uint8_t *staged)
{
    s->pfn = pfn;
    s->staged = staged;
    s->count = count;
    s->next = 0;
    s->todo = NULL;
}

void sender_from_vm(struct sender *s, const struct bitmap *todo)
{
    s->todo = todo;
    s->from = 0;
    s->count = bitmap_count(todo);
    s->next = 0;
}

size_t sender_left(const struct sender *s)
{
    return s->count - s->next;
}

/** On a slow link records are small, so that a heartbeat finds its way between them. */
static size_t batch_max(const struct sender *s)
{
    size_t n = link_budget(s->link) / WIRE_PAGE_SIZE / 2;
    if (n > WIRE_PAGES_MAX)
        return WIRE_PAGES_MAX;
    return n > 0 ? n : 1;
}

/** Next batch of at most WIRE_PAGES_MAX pages; their number, or -1. */
static ssize_t next_batch(struct sender *s, uint64_t *list, const uint64_t **pfn,
                          const uint8_t **data, struct err *err)
{
    size_t n = sender_left(s) < batch_max(s) ? sender_left(s) : batch_max(s);
    if (!s->todo) {
        *pfn = s->pfn + s->next;
        *data = s->staged + s->next * WIRE_PAGE_SIZE;
        return (ssize_t)n;
    }
    (void)FAULT(primary_copy_slice);
    n = bitmap_list(s->todo, &s->from, list, n);
    *pfn = list;
    *data = s->slice;
    return hv_copy(s->vm, list, n, s->slice, err) < 0 ? -1 : (ssize_t)n;
}

static void add_page(struct sender *s, struct pages_writer *pw, uint64_t pfn, const uint8_t *page)
{
    int choice = session_pages_add(pw, pfn, page, basecache_get(&s->base, pfn));
    s->coding[choice + 1]++;
    s->bytes_content += WIRE_PAGE_SIZE;
    if (choice == PAGE_UNCHANGED)
        return;
    s->pages++;
    digest_page(s->digest, pfn, page);
    if (choice == PAGE_ZERO)
        basecache_put_zero(&s->base, pfn);
    else
        basecache_put(&s->base, pfn, page);
}

int sender_step(struct sender *s, struct err *err)
{
    uint64_t list[WIRE_PAGES_MAX];
    const uint64_t *pfn;
    const uint8_t *data;
    struct pages_writer pw;

    if (sender_left(s) == 0)
        return 0;
    (void)FAULT(primary_encode_slice);
    ssize_t n = next_batch(s, list, &pfn, &data, err);
    if (n < 0)
        return -1;
    size_t max =
        WIRE_HEADER_LEN + WIRE_PAGES_FIXED + (size_t)n * (WIRE_PAGE_HEAD_LEN + WIRE_PAGE_SIZE);
    struct wcur *w = link_room(s->link, max);
    if (!w || !session_pages_begin(link_session(s->link), &pw, w, (uint16_t)n)) {
        if (w)
            link_commit(s->link);
        errno = w ? EPROTO : ENOMEM;
        return err_errno(err, "", "epoch %llu", (unsigned long long)s->epoch);
    }
    for (ssize_t i = 0; i < n; i++)
        add_page(s, &pw, pfn[i], data + i * WIRE_PAGE_SIZE);
    (void)session_pages_end(&pw, w);
    link_commit(s->link);
    s->next += (size_t)n;
    return sender_left(s) > 0;
}

/** One FRAMES record, as many frames as fit. */
static int frames_record(struct sender *s, struct frameq *held, size_t need)
{
    struct frames_writer fw;
    size_t len;
    const void *frame;

    struct wcur *w = link_room(s->link, need);
    if (!w || !session_frames_begin(link_session(s->link), &fw, w, WIRE_FRAMES)) {
        if (w)
            link_commit(s->link);
        errno = w ? EPROTO : ENOMEM;
        return -1;
    }
    while ((frame = frameq_peek(held, s->epoch, &len)) && session_frames_add(&fw, frame, len)) {
        digest_frame(s->digest, frame, len);
        s->frames++;
        frameq_pop(held);
    }
    bool empty = session_frames_end(&fw, w) == 0;
    link_commit(s->link);
    if (empty) { /* a frame that fits no record: port_read lets none in */
        errno = EMSGSIZE;
        return -1;
    }
    return 0;
}

int sender_frames(struct sender *s, struct frameq *held)
{
    size_t frames, bytes;
    for (;;) {
        frameq_held(held, s->epoch, &frames, &bytes);
        if (frames == 0)
            return 0;
        size_t need = bytes + frames * 4 + LINK_SMALL;
        if (frames_record(s, held, need < session_record_max() ? need : session_record_max()) < 0)
            return -1;
    }
}

int sender_addrs(struct sender *s, const struct addrs *addrs)
{
    struct msg_addrs m = {.epoch = s->epoch, .count = (uint16_t)addrs->count};

    if (addrs->count == 0 || addrs->version == s->addrs_version)
        return 0;
    for (size_t i = 0; i < addrs->count; i++) {
        const struct addr *a = &addrs->addr[i];
        m.addr[i].family = a->family;
        m.addr[i].vlan = a->vlan;
        memcpy(m.addr[i].mac, a->mac, sizeof(a->mac));
        memcpy(m.addr[i].ip, a->ip, sizeof(a->ip));
    }
    s->addrs_version = addrs->version;
    return LINK_PUT(s->link, LINK_SMALL, session_put_addrs, &m);
}

static int send_state(struct sender *s, const uint8_t *state, size_t len)
{
    digest_state(s->digest, state, len);
    for (size_t at = 0; at < len; at += WIRE_STATE_CHUNK) {
        size_t n = len - at < WIRE_STATE_CHUNK ? len - at : WIRE_STATE_CHUNK;
        struct msg_state m = {.epoch = s->epoch,
                              .total_len = (uint32_t)len,
                              .offset = (uint32_t)at,
                              .len = (uint32_t)n,
                              .data = state + at};
        if (LINK_PUT(s->link, n + LINK_SMALL, session_put_state, &m) < 0)
            return -1;
    }
    return 0;
}

int sender_end(struct sender *s, const void *state, size_t state_len,
               const uint8_t image_digest[16], struct mono *ret_sent)
{
    if (send_state(s, state, state_len) < 0)
        return -1;
    struct mono now = mono_now();
    struct msg_epoch_end m = {
        .epoch = s->epoch, .pages = s->pages, .frames = s->frames, .sent_ns = (uint64_t)now.ns};
    memcpy(m.image_digest, image_digest, sizeof(m.image_digest));
    digest_final(s->digest, m.digest);
    (void)FAULT(primary_epoch_end);
    if (LINK_PUT(s->link, LINK_SMALL, session_put_epoch_end, &m) < 0)
        return -1;
    *ret_sent = now;
    return 0;
}
