/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SENDER_H
#define REMUS_SENDER_H

#include "engine/base/bitmap.h"
#include "engine/basecache.h"
#include "engine/hv/hv.h"
#include "engine/link/link.h"
#include "engine/net/addrs.h"
#include "engine/net/frameq.h"
#include "proto/digest.h"

/**
 * Turns one captured epoch into records, a slice at a time, so that the loop stays responsive.
 * Pages come from staging memory, or from the VM itself (live copy; epochs too large for staging).
 */
struct sender {
    struct link *link;
    struct hv_vm *vm;
    struct digest *digest;
    struct basecache base;
    uint8_t *slice; /* WIRE_PAGES_MAX pages read from the VM */
    uint64_t epoch;
    /* source of pages: a list with its copies, or a bitmap over the VM */
    const uint64_t *pfn;
    const uint8_t *staged;
    size_t count, next;
    const struct bitmap *todo;
    size_t from;
    /* totals of the epoch (items) and of the session */
    uint64_t pages, frames;
    uint64_t coding[5];     /* by enum page_choice + 1 */
    uint64_t bytes_content; /* page octets looked at, sent or not */
    uint64_t addrs_version; /* last one sent in this session */
};

/** `cache_bytes` bounds the delta bases. -1 with errno=ENOMEM. */
int sender_init(struct sender *s, struct hv_vm *vm, uint64_t vm_pages,
                size_t cache_bytes) MUST_CHECK;
void sender_free(struct sender *s);

/** A new session on `link`: the backup holds nothing. */
void sender_session(struct sender *s, struct link *link);

/** -1 with errno=ENOMEM from here on: no room in the link's memory; the session must end. */
int sender_begin(struct sender *s, uint64_t epoch, uint32_t flags) MUST_CHECK;

void sender_from_staging(struct sender *s, const uint64_t *pfn, size_t count,
                         const uint8_t *staged);
void sender_from_vm(struct sender *s, const struct bitmap *todo);

/** Pages not yet coded of the present source. */
size_t sender_left(const struct sender *s);

/**
 * Codes at most one record of pages. 1: there are more; 0: the source is exhausted; -1 with errno
 * and `err` (memory, or the VM could not be read).
 */
int sender_step(struct sender *s, struct err *err) MUST_CHECK;

/** Moves the frames of epochs <= the present one from `held` into the stream. */
int sender_frames(struct sender *s, struct frameq *held) MUST_CHECK;

/** Sends the guest's addresses if they changed since they were last sent in this session. */
int sender_addrs(struct sender *s, const struct addrs *addrs) MUST_CHECK;

/** State, then EPOCH_END. *ret_sent is the time stamped into it. */
int sender_end(struct sender *s, const void *state, size_t state_len,
               const uint8_t image_digest[16], struct mono *ret_sent) MUST_CHECK;

#endif
