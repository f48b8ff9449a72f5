/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_DRIVER_H
#define REMUS_XEN_DRIVER_H

#include "engine/hv/hv.h"

/**
 * Whether the driver in a guest is to stop it. What it tells of itself is in xenstore, and in
 * tools/guest-driver/README.md: device/suspend/event-channel, the guest's port that it listens on,
 * as libxl reads it too (empty: it has gone); below that its version and, as words, what it can do.
 */
#define XEN_PORT_MAX 131072 /* event channels of a domain, FIFO interface */

/** As xenstore has it, the guest's to write: anything, of any length. NULL: absent. */
struct xen_driver_says {
    const char *port, *version, *capabilities;
};

struct xen_driver_choice {
    bool use;
    uint32_t port;                /* when used */
    bool plain;                   /* it may be resumed without changing a register */
    bool refuses;                 /* it says so when it does not suspend */
    char version[HV_VERSION_MAX]; /* when used: MAJOR.MINOR and perhaps more, no other characters */
    const char *why;              /* why not; a literal */
};

struct xen_driver_choice xen_driver_choose(enum hv_suspend suspend,
                                           const struct xen_driver_says *says);

#endif
