/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_TROUBLE_H
#define REMUS_XEN_TROUBLE_H

#include "engine/base/err.h"

/** What of Xen a program came to when it could not be used. */
enum xen_step {
    XEN_STEP_DEVICE, /* /dev/xen/privcmd */
    XEN_STEP_LIBRARY,
    XEN_STEP_XENSTORE,
    XEN_STEP_CALL, /* the first call of an interface that is not stable */
};

/**
 * Says why, from `error` (an errno, which it leaves in errno): no Xen here, no rights, not dom0,
 * another release of Xen. `built` and `running` are releases ("4.17"; `running` "" when unknown).
 * Always -1.
 */
int xen_trouble(enum xen_step step, int error, const char *built, const char *running,
                struct err *err);

#endif
