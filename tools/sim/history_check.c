/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sim/history.h"

#define TEXT_MAX 256

/** References to operations, sorted in the order that a check needs, and what was found. */
struct check {
    const struct history_op **op; /* answered ones only */
    size_t count;
    json_t *found;
    size_t hidden;
};

typedef int (*op_order)(const void *a, const void *b);

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static const struct history_op *deref(const void *p)
{
    return *(const struct history_op *const *)p;
}

static int by_value(const void *a, const void *b)
{
    return compare(deref(a)->value, deref(b)->value);
}

static int by_client(const void *a, const void *b)
{
    int order = compare(deref(a)->client, deref(b)->client);

    return order ? order : compare(deref(a)->request, deref(b)->request);
}

static int by_sent(const void *a, const void *b)
{
    return compare((uint64_t)deref(a)->sent_ns, (uint64_t)deref(b)->sent_ns);
}

static int by_answered(const void *a, const void *b)
{
    return compare((uint64_t)deref(a)->answered_ns, (uint64_t)deref(b)->answered_ns);
}

static void sort(struct check *c, op_order order)
{
    qsort(c->op, c->count, sizeof(*c->op), order);
}

PRINTF_LIKE(3, 4)
static void violation(struct check *c, const char *kind, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list args;

    if (json_array_size(c->found) >= HISTORY_SHOWN) {
        c->hidden++;
        return;
    }
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    json_array_append_new(c->found, json_pack("{ss ss}", "kind", kind, "text", text));
}

/** Text that names an operation in a violation. */
static const char *name(char buf[TEXT_MAX / 3], const struct history_op *op)
{
    snprintf(buf, TEXT_MAX / 3, "client %" PRIx64 " request %" PRIu64, op->client, op->request);
    return buf;
}

static void check_unique(struct check *c)
{
    const struct history_op *last = NULL;
    char a[TEXT_MAX / 3], b[TEXT_MAX / 3];

    sort(c, by_value);
    for (size_t i = 0; i < c->count; i++) {
        if (c->op[i]->kind != HISTORY_INCREMENT)
            continue;
        if (last && last->value == c->op[i]->value)
            violation(c, "duplicate", "value %" PRIu64 " answered to %s and to %s", last->value,
                      name(a, last), name(b, c->op[i]));
        last = c->op[i];
    }
}

static void check_clients(struct check *c)
{
    const struct history_op *last = NULL;
    char a[TEXT_MAX / 3];

    sort(c, by_client);
    for (size_t i = 0; i < c->count; i++) {
        if (c->op[i]->kind != HISTORY_INCREMENT)
            continue;
        if (last && last->client == c->op[i]->client && last->value >= c->op[i]->value)
            violation(c, "backwards", "%s got %" PRIu64 " after %" PRIu64, name(a, c->op[i]),
                      c->op[i]->value, last->value);
        last = c->op[i];
    }
}

static bool contradicts(const struct history_op *op, const struct history_op *earlier)
{
    if (op->kind == HISTORY_INCREMENT)
        return op->value <= earlier->value;
    return op->value < earlier->value;
}

/*
 * Walks the operations in the order of their sending, with those completed before at the other
 * finger: of these only the greatest value matters.
 */
static int check_real_time(struct check *c)
{
    const struct history_op **done, *greatest = NULL;
    char a[TEXT_MAX / 3], b[TEXT_MAX / 3];
    size_t ndone = 0;

    sort(c, by_answered);
    done = malloc((c->count + 1) * sizeof(*done));
    if (!done)
        return -1;
    memcpy(done, c->op, c->count * sizeof(*done));
    sort(c, by_sent);
    for (size_t i = 0; i < c->count; i++) {
        const struct history_op *op = c->op[i];
        for (; ndone < c->count && done[ndone]->answered_ns < op->sent_ns; ndone++)
            if (!greatest || done[ndone]->value > greatest->value)
                greatest = done[ndone];
        if (greatest && contradicts(op, greatest))
            violation(c, "stale", "%s got %" PRIu64 " though %s had got %" PRIu64 " %.3f ms before",
                      name(a, op), op->value, name(b, greatest), greatest->value,
                      (double)(op->sent_ns - greatest->answered_ns) / 1e6);
    }
    free(done);
    return 0;
}

/** Increments that must be, and that can be, in what `read` shows. */
static void count_increments(const struct history *h, const struct history_op *read,
                             uint64_t *least, uint64_t *most)
{
    *least = 0;
    *most = 0;
    for (size_t i = 0; i < h->count; i++) {
        const struct history_op *op = &h->op[i];
        if (op->kind != HISTORY_INCREMENT)
            continue;
        *least += op->answered_ns && op->answered_ns < read->sent_ns;
        *most += op->sent_ns < read->answered_ns;
    }
}

static void check_read(struct check *c, const struct history *h, uint64_t base,
                       const struct history_op *read)
{
    uint64_t least, most;

    count_increments(h, read, &least, &most);
    if (read->value < base + least)
        violation(c, "lost",
                  "counter at %" PRIu64 ", was at %" PRIu64 " before %" PRIu64
                  " answered increments",
                  read->value, base, least);
    if (read->value > base + most)
        violation(c, "invented",
                  "counter at %" PRIu64 ", was at %" PRIu64 " before %" PRIu64 " sent increments",
                  read->value, base, most);
}

/* Few reads are made, so that counting anew for each is cheap. */
static void check_totals(struct check *c, const struct history *h)
{
    const struct history_op *first = NULL;

    for (size_t i = 0; i < c->count; i++) { /* still in the order of sending */
        if (c->op[i]->kind != HISTORY_READ)
            continue;
        if (first)
            check_read(c, h, first->value, c->op[i]);
        else
            first = c->op[i];
    }
}

static int collect_answered(struct check *c, const struct history *h)
{
    c->op = malloc((h->count + 1) * sizeof(*c->op));
    c->found = json_array();
    if (!c->op || !c->found)
        return -1;
    for (size_t i = 0; i < h->count; i++)
        if (h->op[i].answered_ns)
            c->op[c->count++] = &h->op[i];
    return 0;
}

json_t *history_check(const struct history *h, bool exclusive)
{
    struct check c = {0};
    json_t *found = NULL;

    if (collect_answered(&c, h) < 0)
        goto out;
    check_unique(&c);
    check_clients(&c);
    if (check_real_time(&c) < 0)
        goto out;
    if (exclusive)
        check_totals(&c, h);
    if (c.hidden)
        json_array_append_new(c.found, json_pack("{ss so}", "kind", "more", "text",
                                                 json_sprintf("%zu violations more", c.hidden)));
    found = json_incref(c.found);
out:
    json_decref(c.found);
    free(c.op);
    return found;
}
