/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_HV_CHECK_H
#define REMUS_HV_CHECK_H

#include "engine/hv/hv_impl.h"

/** What the wrappers of hv.c and hv_replica.c share. */

/** The caller broke the contract: -1, errno=EINVAL, `err` says how. */
int hv_breach(struct err *err, const char *how);

/** The backend broke the contract: -1, errno=EIO. */
int hv_backend_breach(struct err *err, const char *op);

/** Backends always get an err: `err`, or *own when the caller gave none. */
static inline struct err *hv_err(struct err *err, struct err *own)
{
    own->text[0] = own->hint[0] = '\0';
    return err ? err : own;
}

#endif
