/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_REVIVE_H
#define REMUS_REVIVE_H

#include <asm/pvclock-abi.h>

/*
 * After a restore: the memory is that of the moment of the suspend, everything that Xen kept for
 * the domain is new. The kernel's own suspend prepares before and repairs afterwards; to prepare
 * at each checkpoint is what makes it slow. Here its preparations are made afterwards, while
 * nothing has yet noticed: the time areas in memory are the old domain's and the TSC has gone on
 * from where it was, so the clocks still go on smoothly until Xen's new ones are taken over.
 */

/*
 * In the rendezvous, on the CPU that suspended. `wc` is the old domain's wall clock, as it was in
 * its shared page.
 */
void revive_domain(const struct pvclock_wall_clock *wc);
/* In the rendezvous, on each of the other CPUs, after revive_domain. */
void revive_cpu(void);
/* In the worker, when all CPUs run again: console and xenstore. The devices are devices.h's. */
void revive_xenstore(void);

#endif
