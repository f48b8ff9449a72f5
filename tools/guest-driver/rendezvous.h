/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_RENDEZVOUS_H
#define REMUS_RENDEZVOUS_H

#include <linux/types.h>

/*
 * All CPUs stand still at once, interrupts off. What stop_machine() does, with an end to the
 * patience: Xen may leave one of this guest's CPUs without a processor for as long as it likes, and
 * stop_machine() then keeps all others waiting for it.
 */

struct rendezvous {
	void (*lead)(void *data); /* on the caller's CPU, when all stand still */
	void (*follow)(
	    void *data); /* afterwards, on each of the others, still without interrupts */
	void *data;
};

/* A thread for each CPU. 0, or -errno. */
int __must_check rendezvous_start(void);
void rendezvous_stop(void);

/*
 * In task context, one caller at a time. False: after `patience_ns` a CPU had not come, all go on
 * and neither function was called.
 */
bool __must_check rendezvous_hold(const struct rendezvous *what, u64 patience_ns);

#endif
