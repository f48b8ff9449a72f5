/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_FRAMEQ_H
#define REMUS_FRAMEQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/compiler.h"

/**
 * Held output (I1): frames in order, each tagged with the epoch it belongs to. Frames leave only
 * through frameq_pop with the number of the last sealed epoch. Memory is bounded by `limit` bytes;
 * beyond it new frames are dropped, as a full network queue would, and counted.
 */
struct frameq {
    struct frame_chunk *head, *tail;
    size_t bytes, frames; /* held now */
    size_t limit;
    uint64_t dropped, dropped_bytes; /* over the whole life */
    uint64_t newest;                 /* epoch of the last frame pushed */
};

void frameq_init(struct frameq *q, size_t limit);
void frameq_free(struct frameq *q); /* drops what is held */

/** Drops every held frame (they are counted as dropped). */
void frameq_clear(struct frameq *q);

/**
 * Copies a frame (vnet header included) to the end. `epoch` must not be lower than the newest one.
 * -1 with errno=ENOBUFS (limit) or ENOMEM: dropped and counted.
 */
int frameq_push(struct frameq *q, uint64_t epoch, const void *frame, size_t len);

/** The oldest frame if its epoch is <= `upto`, else NULL. It stays and is valid until popped. */
const void *frameq_peek(const struct frameq *q, uint64_t upto, size_t *len);

/** Removes the oldest frame. Must not be called on an empty queue. */
void frameq_pop(struct frameq *q);

/** Frames and bytes with epoch <= `upto`, e.g. to size an epoch's records. */
void frameq_held(const struct frameq *q, uint64_t upto, size_t *frames, size_t *bytes);

#endif
