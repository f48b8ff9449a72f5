/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_WINDOW_H
#define REMUS_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/mono.h"

/** Epochs whose EPOCH_END was sent and that are not yet sealed: the window in flight. */
#define WINDOW_MAX 64

struct window_entry {
    uint64_t epoch;
    struct mono captured; /* when the VM was resumed after its capture */
    struct mono sent;     /* when EPOCH_END was put: the lease counts from here */
};

struct window {
    struct window_entry entry[WINDOW_MAX];
    size_t first, count;
};

void window_init(struct window *w);

/** false: full. Epochs are pushed in increasing order. */
bool window_push(struct window *w, const struct window_entry *e);

/**
 * Takes out `epoch` and everything older; *ret is the entry of `epoch` itself. false: it is not in
 * flight, nothing changed.
 */
bool window_ack(struct window *w, uint64_t epoch, struct window_entry *ret);

#endif
