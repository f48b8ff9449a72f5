/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_EXPORT_H
#define REMUS_EXPORT_H

#include <event2/event.h>

#include "engine/base/err.h"
#include "engine/hv/hv.h"

/**
 * Writes a replica to a file while epochs go on. The file is the replica as it was when the export
 * began, exactly one sealed epoch: a page that is about to change and is not written yet is copied
 * first (export_before_write). Nothing here waits for the disk; what the disk is behind is kept in
 * memory, within a bound.
 */
struct export_progress {
    uint64_t octets;
    uint64_t memory; /* octets of the VM's memory: the complete file has little more */
};

/** Told once, from the event loop: NULL when the file is complete and in place. Call export_free.
 */
typedef void (*export_end_cb)(const struct err *err, void *arg);

struct export_args {
    struct event_base *base;
    struct hv_replica *replica; /* whole, and so until export_before_write says otherwise */
    const char *path;           /* absolute; copied */
    bool replace;               /* a file of this name may be there */
    size_t limit;               /* octets kept at most while the disk is behind */
    export_end_cb on_end;
    void *arg;
};

/** NULL with errno and `err`: EOPNOTSUPP when the backend has no such files. */
struct export *export_new(const struct export_args *args, struct err *err) MUST_CHECK;

/**
 * These pages change next. -1: over the limit, or out of memory; the export can only be freed, the
 * replica may change all the same.
 */
int export_before_write(struct export *x, const uint64_t *pfn, size_t n,
                        struct err *err) MUST_CHECK;

void export_progress(const struct export *x, struct export_progress *ret);

/** Gives it up if it is unfinished: no file stays behind. NULL is allowed. */
void export_free(struct export *x);

#endif
