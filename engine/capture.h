/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_CAPTURE_H
#define REMUS_CAPTURE_H

#include "engine/base/bitmap.h"
#include "engine/base/hist.h"
#include "engine/base/mono.h"
#include "engine/hv/hv.h"
#include "proto/digest.h"

/**
 * The moment the VM is stopped: dirty bitmap, page copies into staging memory, CPU and device
 * state. Everything it needs is allocated beforehand; between stop and resume nothing here
 * allocates, codes, logs or touches a socket.
 */
struct capture {
    struct hv_vm *vm;
    uint64_t vm_pages;
    struct bitmap dirty; /* of the epoch captured last */
    struct bitmap carry; /* taken from the log by a capture that failed: belongs to the next one */
    bool carry_any;
    uint64_t *pfn; /* the dirty pages, listed */
    size_t pages;  /* how many */
    uint8_t *staging;
    size_t staging_pages; /* most that may be staged */
    size_t ready_pages;   /* backed by memory already: copying into them faults nothing in */
    size_t
        refused_pages; /* memory for so many was refused: only ready_pages may be used; 0: none */
    bool staged; /* the last capture's pages are in staging; else they must be read from the VM */
    uint8_t *state;
    size_t state_len;
    struct digest *image; /* NULL unless image digests are wanted */
    uint8_t image_digest[16];
    uint8_t *scratch; /* for the image digest */
    /* pause = handshake (until it stands still) + own; own = fetch + copy + state + resume + little
     */
    struct hist pause_us, handshake_us, own_us, fetch_us, copy_us, state_us, resume_us;
    struct hist dirty_pages;
};

/** Most of `staging_bytes` is only reserved at first. -1 with errno=ENOMEM. */
int capture_init(struct capture *c, struct hv_vm *vm, uint64_t vm_pages, size_t staging_bytes,
                 bool image_digests) MUST_CHECK;
void capture_free(struct capture *c);

/** Forgets what was carried over: a new session copies everything anyway. */
void capture_reset(struct capture *c);

/** Runs at the instant where the guest's frame stream is cut, VM stopped. */
typedef void (*capture_cut_cb)(void *arg);

/**
 * One capture. Pages in `also` (NULL: none) are captured too. On success the VM runs again if the
 * pages were staged (c->staged) and `leave_stopped` is not set; otherwise it is stopped and the
 * caller resumes it. -1 with errno: ETIMEDOUT (could not be stopped in time), ESRCH, EIO, ESTALE as
 * in hv.h, or a failure of the copy; the VM runs unless it is gone, and nothing of the dirty set is
 * lost.
 */
int capture_epoch(struct capture *c, const struct bitmap *also, int stop_timeout_ms,
                  bool leave_stopped, capture_cut_cb cut, void *arg, struct err *err) MUST_CHECK;

/**
 * Between captures, VM running: backs more staging memory if the last capture came near the limit.
 * -1 with errno=ENOMEM: epochs that do not fit are coded with the VM stopped.
 */
int capture_grow(struct capture *c) MUST_CHECK;

#endif
