/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_HISTORY_H
#define REMUS_HISTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/base/compiler.h"

/**
 * What clients saw of one counter, and whether a single counter that never lost, repeated or
 * reordered anything could have shown them that (linearizability of increment-and-read, and of
 * read). Times are CLOCK_MONOTONIC nanoseconds of one host.
 */
enum history_kind {
    HISTORY_INCREMENT, /* value: the counter after it */
    HISTORY_READ,
};

struct history_op {
    enum history_kind kind;
    uint64_t client, request; /* a client's requests have growing numbers */
    int64_t sent_ns;          /* first transmission */
    int64_t answered_ns;      /* first answer; 0: none came, it may or may not have taken effect */
    uint64_t value;           /* valid when answered */
    unsigned tries;           /* transmissions */
};

struct history {
    struct history_op *op; /* in the order of history_add */
    size_t count, cap;
};

void history_init(struct history *h);
void history_free(struct history *h);

/** Notes a request sent at `now_ns`; its index in *ret. -1 with errno=ENOMEM. */
int history_add(struct history *h, enum history_kind kind, uint64_t client, uint64_t request,
                int64_t now_ns, size_t *ret) MUST_CHECK;

/** The first answer to it, at `now_ns` > 0. */
void history_answer(struct history *h, size_t index, uint64_t value, int64_t now_ns);

size_t history_answered(const struct history *h, enum history_kind kind);

/** One JSON line for each operation. -1 with errno when writing failed. */
int history_write(const struct history *h, FILE *to) MUST_CHECK;

/**
 * New array of violations, empty when there is none, at most HISTORY_SHOWN of them in full; NULL
 * when memory is short. Each is {"kind", "text"}. Kinds: duplicate   two increments were answered
 * with the same value: one of them was lost backwards   a client's later increment has no greater
 * value than its earlier one stale       an operation was answered as if one that had been
 * completed before it was sent had not happened lost        a read shows fewer increments than had
 * been answered invented    a read shows more increments than had been sent more        how many
 * violations are not shown With `exclusive` nobody else increments and the first read was completed
 * before all increments: only then can "invented" be told, and "lost" without an increment's own
 * value.
 */
#define HISTORY_SHOWN 20
json_t *history_check(const struct history *h, bool exclusive) MUST_CHECK;

#endif
