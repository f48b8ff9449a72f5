/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_KEEPER_H
#define REMUS_XEN_KEEPER_H

#include "engine/hv/xen/xen_impl.h"

/**
 * Does for an activated domain what `xl create` does for one that it has started: waits in a
 * process of its own until the domain shuts down, then destroys it or starts it anew, as its
 * configuration says (on_poweroff, on_reboot, on_crash, on_watchdog).
 *
 * Called in libxl's process (xen_job.h); `ctx` stays the caller's. `json` is the configuration
 * under the VM's own name. Returns in the caller at once; -1 with errno.
 */
int xen_keeper_start(libxl_ctx *ctx, uint32_t domid, const char *json) MUST_CHECK;

/**
 * Whether a domain that ends with this action is started anew where it was: by `xl create`, or by a
 * keeper after a failover. A keeper keeps neither a core nor the domain that crashed.
 */
static inline bool xen_starts_anew(libxl_action_on_shutdown what)
{
    return what == LIBXL_ACTION_ON_SHUTDOWN_RESTART ||
           what == LIBXL_ACTION_ON_SHUTDOWN_RESTART_RENAME ||
           what == LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART;
}

#endif
