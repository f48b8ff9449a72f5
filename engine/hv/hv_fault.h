/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_HV_FAULT_H
#define REMUS_HV_FAULT_H

#include "engine/hv/hv_impl.h"

/**
 * Backend "fault": a decorator that stacks on another backend, named in its conf ("sim:/run/sim"),
 * and makes operations fail without calling it. Which ones is read from the file named by
 * REMUS_HV_FAULT_FILE whenever that changes; no file: none. Lines, '#' begins a comment:
 *
 *   OP ERRNO       every call of OP (a member of struct hv_ops that returns int) fails
 *   OP NTH ERRNO   only the NTH call since the file last changed fails, counted in this process
 *
 * OP "unfit": the answer has ERRNO's text. "rested", "settled": it is not. "stop ETIMEDOUT" fails
 * when its time is over.
 *
 * ERRNO is a name (ENOMEM) or a number. A line that is neither makes every operation fail with
 * EINVAL, so that a slip in a test is seen.
 */
extern const struct hv_ops hv_fault_ops;

/** The armed failure for this call of `op`: 0, or -1 with errno and `err`. */
int hv_fault_due(const char *op, struct err *err) MUST_CHECK;

#endif
