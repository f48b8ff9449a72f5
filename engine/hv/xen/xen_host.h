/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_HOST_H
#define REMUS_XEN_HOST_H

#include "engine/hv/xen/format/xen_desc.h"
#include "engine/hv/xen/xen_impl.h"

/**
 * Whether this host can run the VM, found out before anything is copied: its configuration can be
 * read, memory is enough, the CPU has what the guest was promised, its bridge exists. Tells the
 * VM's UUID and name. EINVAL, ENOMEM, ENOENT.
 */
int xen_host_check(const struct xen_hv *x, const struct xen_desc *desc, struct uuid *ret_uuid,
                   char ret_name[HV_NAME_MAX], struct err *err) MUST_CHECK;

/** The part of it about the CPU. */
int xen_host_check_cpu(const struct xen_hv *x, const struct xen_desc *desc,
                       struct err *err) MUST_CHECK;

/** Gives a domain memory at these page frames. Its content is arbitrary. */
int xen_host_populate(const struct xen_hv *x, uint32_t domid, uint64_t first, uint64_t count,
                      struct err *err) MUST_CHECK;

#endif
