/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_STATEFILE_H
#define REMUS_STATEFILE_H

#include <jansson.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/**
 * One small durable JSON object per VM: DIR/UUID.state. The file is two lines, the XXH64 (seed 0,
 * 16 hex digits) of the second without its newline, and the object itself. Written to a temporary
 * name, fsync'ed, renamed, directory fsync'ed: after a power cut it is the old or the new object,
 * never a mix. "Durable before used" (I3) rests on this file. `uuid` must have the form of a UUID
 * everywhere here (else errno=EINVAL); one process at a time writes a VM's file.
 */

/**
 * 0, or -1 with errno and `err`; on failure the old content is still in place (after a failure of
 * the very last step, the sync of the directory, the new one may be: it was not promised).
 */
int statefile_save(const char *dir, const char *uuid, const json_t *object,
                   struct err *err) MUST_CHECK;

/**
 * New reference in *ret, or *ret=NULL when there is no such file. -1: unreadable, or damaged
 * (errno=EBADMSG).
 */
int statefile_load(const char *dir, const char *uuid, json_t **ret, struct err *err) MUST_CHECK;

/** Durable removal; a missing file is success. */
int statefile_remove(const char *dir, const char *uuid, struct err *err) MUST_CHECK;

/** New array of all objects in DIR by UUID (damaged ones are logged and skipped), NULL on error. */
json_t *statefile_list(const char *dir, struct err *err) MUST_CHECK;

/** Creates DIR (0700, with parents) if needed and proves it writable. */
int statefile_dir_check(const char *dir, struct err *err) MUST_CHECK;

#endif
