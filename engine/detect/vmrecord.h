/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_VMRECORD_H
#define REMUS_VMRECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/compiler.h"
#include "engine/base/conf.h"
#include "engine/base/err.h"
#include "engine/base/uuid.h"

/**
 * What one host must remember of one VM across any crash (I3), on top of engine/base/statefile.h.
 * The generation in the record is always at least every generation this host has used.
 */
enum vmrecord_state {
    /* at the primary */
    VM_WANTED,     /* to be protected; no backup may activate anything */
    VM_PROTECTING, /* a session may exist: the backup may have been promised anything */
    VM_FENCED,     /* the backup runs the VM: a copy found here is stale */
    /* at the backup */
    VM_HOLDING,    /* a session of this generation was accepted; older epochs are given up */
    VM_RELEASED,   /* this generation will never be activated here */
    VM_ACTIVATING, /* decided to run the VM under this generation; it may or may not run */
    VM_ACTIVE,     /* it ran here under this generation */
};

struct vmrecord {
    struct uuid uuid;
    char name[64];
    uint64_t generation;
    enum vmrecord_state state;
    /* primary only: how to protect again after a restart */
    char peer[CONF_STR_MAX];
    int64_t epoch_ms;
    int hold;
    int suspend; /* enum hv_suspend; 0 in records that do not have it */
};

/**
 * One process at a time may act for a VM in `dir`: a descriptor that holds the lock until it is
 * closed (or the process ends), or -1 with errno=EBUSY and `err` when another process has it.
 */
int vmrecord_lock(const char *dir, const struct uuid *uuid, struct err *err) MUST_CHECK;

/** *ret_found=0 and a zeroed record (with the UUID) when there is none. -1: unreadable or damaged.
 */
int vmrecord_load(const char *dir, const struct uuid *uuid, struct vmrecord *ret, bool *ret_found,
                  struct err *err) MUST_CHECK;
int vmrecord_save(const char *dir, const struct vmrecord *rec, struct err *err) MUST_CHECK;
int vmrecord_remove(const char *dir, const struct uuid *uuid, struct err *err) MUST_CHECK;

/** Calls `each` for every readable record in `dir`. */
int vmrecord_each(const char *dir, void (*each)(const struct vmrecord *rec, void *arg), void *arg,
                  struct err *err) MUST_CHECK;

const char *vmrecord_state_name(enum vmrecord_state state);

#endif
