/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/delay.h>
#include <linux/sched/clock.h>
#include <linux/time64.h>
#include <asm/fpu/api.h>
#include <asm/xen/hypercall.h>
#include <asm/xen/hypervisor.h>

#include "channel.h"
#include "counters.h"
#include "cut.h"
#include "kernel.h"
#include "rendezvous.h"
#include "revive.h"

/* A suspend that takes the guest longer than this is no secret to its watchdogs. */
#define LONG_NS (2 * NSEC_PER_SEC)

/* What all CPUs stand still for at most is this share of the limit; then others have their turn. */
#define ATTEMPTS 4
#define REST_US 1000

struct cut {
	u64 begun;
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

static void count_rendezvous(u64 took)
{
	counters.rendezvous_ns += took;
	counters.rendezvous_last_ns = took;
	counters.rendezvous_max_ns = max_t(u64, counters.rendezvous_max_ns, took);
}

static u64 limit_ns(void)
{
	return (u64)READ_ONCE(rendezvous_limit_ms) * NSEC_PER_MSEC;
}

static void lead(void *data)
{
	struct cut *c = data;
	u64 took = sched_clock() - c->begun;

	count_rendezvous(took);
	if (took > limit_ns())
		c->end = CUT_LATE;
	/* Looked at as late as can be: the tool may have been killed since. */
	else if (channel_lost() || channel_state() != CHANNEL_IN_USE)
		c->end = CUT_ABANDONED;
	else
		c->end = suspend_domain();
}

static void follow(void *data)
{
	const struct cut *c = data;

	if (c->end == CUT_RESTORED)
		revive_cpu();
}

/*
 * In several attempts: a CPU that is waited for may itself wait for one that stands still here, in
 * the kernel's own stop_machine().
 */
enum cut_end cut_make(void)
{
	struct cut c = {.begun = sched_clock(), .end = CUT_LATE};
	const struct rendezvous all = {.lead = lead, .follow = follow, .data = &c};

	while (!rendezvous_hold(&all, limit_ns() / ATTEMPTS)) {
		u64 took = sched_clock() - c.begun;

		if (took > limit_ns()) {
			count_rendezvous(took);
			break;
		}
		usleep_range(REST_US, 2 * REST_US);
	}
	return c.end;
}
