/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/history.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 1024

void history_init(struct history *h)
{
    memset(h, 0, sizeof(*h));
}

void history_free(struct history *h)
{
    free(h->op);
    history_init(h);
}

static int grow(struct history *h)
{
    size_t cap = h->cap ? 2 * h->cap : FIRST_CAP;
    struct history_op *op = reallocarray(h->op, cap, sizeof(*op));
    if (!op)
        return -1;

    h->op = op;
    h->cap = cap;
    return 0;
}

int history_add(struct history *h, enum history_kind kind, uint64_t client, uint64_t request,
                int64_t now_ns, size_t *ret)
{
    if (h->count == h->cap && grow(h) < 0)
        return -1;
    *ret = h->count++;
    h->op[*ret] = (struct history_op){
        .kind = kind, .client = client, .request = request, .sent_ns = now_ns, .tries = 1};
    return 0;
}

void history_answer(struct history *h, size_t index, uint64_t value, int64_t now_ns)
{
    h->op[index].value = value;
    h->op[index].answered_ns = now_ns;
}

size_t history_answered(const struct history *h, enum history_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < h->count; i++)
        n += h->op[i].kind == kind && h->op[i].answered_ns;
    return n;
}

static int write_op(const struct history_op *op, FILE *to)
{
    static const char *const kinds[] = {"increment", "read"};

    if (fprintf(to,
                "{\"kind\":\"%s\",\"client\":%" PRIu64 ",\"request\":%" PRIu64
                ",\"sent_ns\":%" PRId64 ",\"tries\":%u",
                kinds[op->kind], op->client, op->request, op->sent_ns, op->tries) < 0)
        return -1;
    if (op->answered_ns && fprintf(to, ",\"answered_ns\":%" PRId64 ",\"value\":%" PRIu64,
                                   op->answered_ns, op->value) < 0)
        return -1;
    return fputs("}\n", to) < 0 ? -1 : 0;
}

int history_write(const struct history *h, FILE *to)
{
    for (size_t i = 0; i < h->count; i++)
        if (write_op(&h->op[i], to) < 0)
            return -1;
    return fflush(to);
}
