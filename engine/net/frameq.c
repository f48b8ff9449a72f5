/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/net/frameq.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Four frames of the largest size leave a fifth of it unused at worst. */
#define CHUNK_BYTES (320u * 1024)
#define ENTRY_ALIGN 8u

struct frame_chunk {
    struct frame_chunk *next;
    size_t cap;
    size_t first, end; /* offsets of the oldest entry and behind the newest */
    _Alignas(ENTRY_ALIGN) uint8_t data[];
};

struct entry {
    uint64_t epoch;
    size_t len;
    uint8_t frame[];
};

static size_t entry_size(size_t len)
{
    return (sizeof(struct entry) + len + ENTRY_ALIGN - 1) & ~(size_t)(ENTRY_ALIGN - 1);
}

static struct entry *entry_at(const struct frame_chunk *c, size_t offset)
{
    return (struct entry *)((uint8_t *)c->data + offset);
}

void frameq_init(struct frameq *q, size_t limit)
{
    *q = (struct frameq){.limit = limit};
}

void frameq_clear(struct frameq *q)
{
    q->dropped += q->frames;
    q->dropped_bytes += q->bytes;
    q->frames = 0;
    q->bytes = 0;
    while (q->head) {
        struct frame_chunk *next = q->head->next;
        free(q->head);
        q->head = next;
    }
    q->tail = NULL;
}

void frameq_free(struct frameq *q)
{
    frameq_clear(q);
}

/** Appends a chunk with room for `need` bytes. NULL with errno=ENOMEM. */
static struct frame_chunk *add_chunk(struct frameq *q, size_t need)
{
    size_t cap = CHUNK_BYTES - sizeof(struct frame_chunk);
    if (cap < need)
        cap = need;

    struct frame_chunk *c = malloc(sizeof(*c) + cap);
    if (!c)
        return NULL;
    c->next = NULL;
    c->cap = cap;
    c->first = 0;
    c->end = 0;
    if (q->tail)
        q->tail->next = c;
    else
        q->head = c;
    q->tail = c;
    return c;
}

/** What the held frames and `len` more take, bookkeeping included: tiny frames count in full. */
static bool over_limit(const struct frameq *q, size_t len)
{
    size_t held = q->bytes + q->frames * sizeof(struct entry);

    return held > q->limit || len + sizeof(struct entry) > q->limit - held;
}

static int drop(struct frameq *q, size_t len, int error)
{
    q->dropped++;
    q->dropped_bytes += len;
    errno = error;
    return -1;
}

int frameq_push(struct frameq *q, uint64_t epoch, const void *frame, size_t len)
{
    /* A queue that was emptied may start over with lower numbers. */
    assert(q->frames == 0 || epoch >= q->newest);
    if (over_limit(q, len))
        return drop(q, len, ENOBUFS);

    size_t need = entry_size(len);
    struct frame_chunk *c = q->tail;
    if (!c || c->cap - c->end < need)
        c = add_chunk(q, need);
    if (!c)
        return drop(q, len, ENOMEM);

    struct entry *e = entry_at(c, c->end);
    e->epoch = epoch;
    e->len = len;
    memcpy(e->frame, frame, len);
    c->end += need;
    q->frames++;
    q->bytes += len;
    q->newest = epoch;
    return 0;
}

/** Drops used-up chunks at the head, so that a non-empty queue's oldest entry is in the head. */
static void trim_head(struct frameq *q)
{
    struct frame_chunk *c = q->head;

    if (c->first < c->end)
        return;
    if (c == q->tail) {
        c->first = 0;
        c->end = 0;
        return;
    }
    q->head = c->next;
    free(c);
}

const void *frameq_peek(const struct frameq *q, uint64_t upto, size_t *len)
{
    if (q->frames == 0)
        return NULL;
    const struct entry *e = entry_at(q->head, q->head->first);
    if (e->epoch > upto)
        return NULL;
    *len = e->len;
    return e->frame;
}

void frameq_pop(struct frameq *q)
{
    assert(q->frames > 0);
    const struct entry *e = entry_at(q->head, q->head->first);
    q->frames--;
    q->bytes -= e->len;
    q->head->first += entry_size(e->len);
    trim_head(q);
}

void frameq_held(const struct frameq *q, uint64_t upto, size_t *frames, size_t *bytes)
{
    *frames = 0;
    *bytes = 0;
    for (const struct frame_chunk *c = q->head; c; c = c->next) {
        for (size_t at = c->first; at < c->end;) {
            const struct entry *e = entry_at(c, at);
            if (e->epoch > upto)
                return;
            ++*frames;
            *bytes += e->len;
            at += entry_size(e->len);
        }
    }
}
