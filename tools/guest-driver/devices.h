/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_DEVICES_H
#define REMUS_DEVICES_H

#include <linux/types.h>

/*
 * The guest's devices on the bus "xen": network interfaces, disks. They are found by being on the
 * bus, so the module registers a driver there, for a kind of device that does not exist.
 */

int __must_check devices_init(void);
void devices_exit(void);

/*
 * Right after a restore, before any task runs: from here on no request is handed to a disk's ring,
 * which belongs to a domain that is no more. In the rendezvous.
 */
void devices_hold_disks(void);
/* Connects all of them with the new domain's backends, and lets requests to disks go on. */
void devices_reconnect(void);
/* True when all are connected, and all of xenstore's news about them has been dealt with. */
bool devices_settled(void);

#endif
