/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_STORE_H
#define REMUS_STORE_H

#include "backupd/staging.h"
#include "engine/base/bitmap.h"
#include "engine/base/err.h"
#include "engine/hv/hv.h"
#include "proto/digest.h"
#include "proto/message.h"

/**
 * One VM's epochs at the backup (I2): collect, verify, seal, apply. An ordinary epoch is decoded
 * into staging memory and touches the replica only after it is sealed; a FULL epoch is written in
 * place and leaves the replica unusable until it is sealed.
 */
struct store {
    struct hv_replica *replica;
    uint64_t generation, epoch, memory_max;
    bool in_place;
    bool usable;     /* the replica is exactly epoch `sealed` */
    uint64_t sealed; /* 0: none in this session */
    struct staging staging;
    struct bitmap seen; /* frames of this epoch: each may come once */
    struct digest *digest;
    uint8_t *state;
    size_t state_len;
    struct msg_addrs addrs; /* of the epoch in work */
    bool addrs_new;
    struct msg_addrs sealed_addrs;
    uint8_t *decoded; /* one page, for epochs in place */
    /** Told before pages of the replica change, for whoever still needs them as they are. */
    void (*before_write)(const uint64_t *pfn, size_t n, void *arg); /* NULL: nobody */
    void *before_write_arg;
};

/**
 * At most `staging_pages` are staged at once, and the replica may grow to `memory_max` pages of
 * memory. Takes over nothing. -1 with errno=ENOMEM.
 */
int store_init(struct store *s, struct hv_replica *replica, uint64_t generation,
               size_t staging_pages, uint64_t memory_max) MUST_CHECK;
void store_free(struct store *s);

/** Starts an epoch; an unfinished one before it is forgotten. */
void store_begin(struct store *s, const struct msg_epoch_begin *m);

/**
 * -1 with errno and `err`: EBADMSG (content malformed, repeated or out of range), ENOSPC (over the
 * staging limit), E2BIG (over memory_max), ENOMEM, or the replica's error.
 */
int store_pages(struct store *s, const struct msg_pages *m, struct err *err) MUST_CHECK;
void store_state(struct store *s, const struct msg_state *m);
void store_addrs(struct store *s, const struct msg_addrs *m);
void store_frame(struct store *s, const void *frame, size_t len);

/** All of the epoch is here and its digest is right. -1 with errno=EBADMSG. Changes nothing. */
int store_verify(struct store *s, const struct msg_epoch_end *m, struct err *err) MUST_CHECK;

/** The epoch now counts: from here it is what would be resumed. */
void store_seal(struct store *s);

/** Brings the replica to the sealed epoch. Idempotent. On -1 the replica is unusable. */
int store_apply(struct store *s, struct err *err) MUST_CHECK;

/** Compares the replica with the sender's digest of its whole memory; all zero compares nothing. */
int store_check_image(struct store *s, const uint8_t digest[16], struct err *err) MUST_CHECK;

/** The session ended inside an epoch: what is staged is dropped. */
void store_abandon(struct store *s);

#endif
