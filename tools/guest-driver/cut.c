/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/irqflags.h>
#include <linux/nmi.h>
#include <linux/sched/clock.h>
#include <linux/smp.h>
#include <linux/stop_machine.h>
#include <linux/time64.h>
#include <asm/fpu/api.h>
#include <asm/xen/hypercall.h>
#include <asm/xen/hypervisor.h>

#include "channel.h"
#include "counters.h"
#include "cut.h"
#include "kernel.h"
#include "revive.h"

/* A suspend that takes the guest longer than this is no secret to its watchdogs. */
#define LONG_NS (2 * NSEC_PER_SEC)

struct cut {
	u64 begun;
	bool over; /* the other CPUs may go on */
	enum cut_end end;
};

/* The shared page is where a module of the kernel put it; in a new domain nothing is there yet. */
static bool in_new_domain(void)
{
	return channel_state() == CHANNEL_GONE ||
	       READ_ONCE((*kernel.HYPERVISOR_shared_info)->wc.version) == ~0u;
}

/*
 * Linux leaves a task's vector registers in the CPU while others run that do not use them. A tool
 * that resumes with xc_domain_resume(fast=1) sets this CPU's to a state without their upper halves;
 * kernel_fpu_begin() makes the task load them from its memory again.
 */
static enum cut_end suspend_domain(void)
{
	struct pvclock_wall_clock clock = (*kernel.HYPERVISOR_shared_info)->wc;
	u64 begun = sched_clock();
	int err;

	channel_forget();
	kernel_fpu_begin();
	err = HYPERVISOR_suspend(0);
	kernel_fpu_end();
	if (err < 0)
		return CUT_FAILED;
	if (err == 0 && in_new_domain()) {
		revive_domain(&clock);
		kernel.pvclock_touch_watchdogs();
		return CUT_RESTORED;
	}
	if (sched_clock() - begun > LONG_NS)
		kernel.pvclock_touch_watchdogs();
	return CUT_RESUMED;
}

static enum cut_end lead(const struct cut *c)
{
	u64 took = sched_clock() - c->begun;

	counters.rendezvous_ns += took;
	counters.rendezvous_last_ns = took;
	counters.rendezvous_max_ns = max_t(u64, counters.rendezvous_max_ns, took);
	if (took > (u64)READ_ONCE(rendezvous_limit_ms) * NSEC_PER_MSEC)
		return CUT_LATE;
	/* Looked at as late as can be: the tool may have been killed since. */
	if (channel_lost() || channel_state() != CHANNEL_IN_USE)
		return CUT_ABANDONED;
	return suspend_domain();
}

/* On all CPUs at once, interrupts off. */
static int stand_still(void *data)
{
	struct cut *c = data;

	if (smp_processor_id() == cpumask_first(cpu_online_mask)) {
		c->end = lead(c);
		smp_store_release(&c->over, true);
		return 0;
	}
	while (!smp_load_acquire(&c->over))
		cpu_relax();
	touch_softlockup_watchdog(); /* it may have been long */
	if (c->end == CUT_RESTORED)
		revive_cpu();
	return 0;
}

/*
 * Nobody to meet: what stop_machine() comes down to in a kernel built for one CPU. Its thread would
 * be one more to switch to and back from, and write pages that are then part of the checkpoint.
 */
static bool stand_still_alone(struct cut *c)
{
	unsigned long flags;
	bool alone;

	cpus_read_lock();
	alone = num_online_cpus() == 1;
	if (alone) {
		local_irq_save(flags);
		stand_still(c);
		local_irq_restore(flags);
	}
	cpus_read_unlock();
	return alone;
}

enum cut_end cut_make(void)
{
	struct cut c = {.begun = sched_clock(), .end = CUT_FAILED};

	if (!stand_still_alone(&c))
		stop_machine(stand_still, &c, cpu_online_mask);
	return c.end;
}
