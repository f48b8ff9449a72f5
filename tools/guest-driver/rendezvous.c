/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/irqflags.h>
#include <linux/nmi.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/smpboot.h>
#include <linux/time64.h>
#include <xen/interface/sched.h>
#include <asm/xen/hypercall.h>

#include "rendezvous.h"

/* For so long it is taken that the others run, or are being woken, and are about to come. */
#define SPIN_NS (400 * NSEC_PER_USEC)

/* Whoever leads goes from one to the next. Whoever has lost patience goes to BROKEN_OFF, but from
 * HELD, in which the domain is suspended. */
enum phase {
	COMING,	  /* the others' threads get their CPUs; interrupts on */
	STANDING, /* each turns its interrupts off */
	HELD,	  /* all stand still */
	OVER,
	BROKEN_OFF,
};

static struct {
	atomic_t phase;
	atomic_t here;	 /* of the others, in COMING */
	atomic_t still;	 /* of the others, in STANDING */
	atomic_t inside; /* who may look at this, and who leads */
	u64 spin_ends;
	u64 patience_ends;
	struct rendezvous what;
} meeting;

static DECLARE_COMPLETION(all_left);
static DEFINE_PER_CPU(struct task_struct *, attendant);
static DEFINE_PER_CPU(bool, called);

static bool pass(enum phase from, enum phase to)
{
	return atomic_cmpxchg(&meeting.phase, from, to) == from;
}

/*
 * Where Xen has fewer processors than this guest has CPUs, whoever waits keeps the one that the
 * other waits for, until its time slice ends. Where an emulator has one thread for all processors
 * it is cpu_relax() that lets the next of them go on, and nothing else.
 */
static void wait_a_little(void)
{
	if (sched_clock() > meeting.spin_ends)
		HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
	cpu_relax();
}

/*
 * One look. While the others come, a stop_machine() of somebody else is let through: it waits for
 * this CPU as this one waits for those that it has stopped.
 */
static bool goes_on(enum phase phase)
{
	if (sched_clock() > meeting.patience_ends)
		pass(phase, BROKEN_OFF);
	if (phase == COMING)
		cond_resched();
	wait_a_little();
	return atomic_read_acquire(&meeting.phase) == phase;
}

/*
 * Nobody but who leads reads a clock: in a restored domain each CPU's is old until it has been
 * revived, and what one of them reads bounds what the others do.
 */
static void await_lead(void)
{
	while (atomic_read_acquire(&meeting.phase) == HELD) {
		HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
		cpu_relax();
	}
}

/*
 * A guest may be suspended for long. The scheduler would take that for the running time of this
 * task, and keep it and all others of real-time priority from the CPU for as long.
 */
static void stood_still_since(u64 begun)
{
	current->se.exec_start += sched_clock() - begun;
}

static void leave(void)
{
	if (atomic_dec_and_test(&meeting.inside))
		complete(&all_left);
}

/* On each of the others. */
static void stand_still(void)
{
	unsigned long flags;
	u64 begun;

	local_irq_save(flags);
	begun = sched_clock();
	atomic_inc(&meeting.still);
	while (goes_on(STANDING))
		;
	await_lead();
	if (atomic_read(&meeting.phase) == OVER)
		meeting.what.follow(meeting.what.data);
	stood_still_since(begun);
	touch_softlockup_watchdog(); /* it may have been long */
	local_irq_restore(flags);
}

static void attend(unsigned int cpu)
{
	if (!xchg(per_cpu_ptr(&called, cpu), false))
		return;
	atomic_inc(&meeting.here);
	while (goes_on(COMING))
		;
	if (atomic_read(&meeting.phase) != BROKEN_OFF)
		stand_still();
	leave();
}

static int is_called(unsigned int cpu)
{
	return READ_ONCE(per_cpu(called, cpu));
}

static void set_priority(unsigned int cpu)
{
	sched_set_fifo(current);
}

static struct smp_hotplug_thread attendants = {
    .store = &attendant,
    .setup = set_priority,
    .thread_should_run = is_called,
    .thread_fn = attend,
    .thread_comm = "remus_stop/%u",
};

/* Returns how many. */
static int call_others(unsigned int me)
{
	int cpu, others = num_online_cpus() - 1;

	atomic_set(&meeting.phase, COMING);
	atomic_set(&meeting.here, 0);
	atomic_set(&meeting.still, 0);
	atomic_set(&meeting.inside, others + 1);
	reinit_completion(&all_left);
	for_each_online_cpu(cpu)
	{
		if (cpu == me)
			continue;
		smp_store_release(per_cpu_ptr(&called, cpu), true);
		wake_up_process(per_cpu(attendant, cpu));
	}
	return others;
}

/* Whoever has not come yet need not. */
static void call_off(void)
{
	int cpu;

	for_each_online_cpu(cpu)
	{
		if (xchg(per_cpu_ptr(&called, cpu), false))
			leave();
	}
}

static bool lead_still(int others)
{
	unsigned long flags;
	u64 begun;
	bool held;

	local_irq_save(flags);
	begun = sched_clock();
	while (atomic_read(&meeting.still) < others && goes_on(STANDING))
		;
	held = pass(STANDING, HELD);
	if (held) {
		meeting.what.lead(meeting.what.data);
		atomic_set_release(&meeting.phase, OVER);
	}
	stood_still_since(begun);
	local_irq_restore(flags);
	return held;
}

bool rendezvous_hold(const struct rendezvous *what, u64 patience_ns)
{
	bool held;
	int others;

	cpus_read_lock();
	migrate_disable();
	meeting.what = *what;
	meeting.spin_ends = sched_clock() + SPIN_NS;
	meeting.patience_ends = sched_clock() + patience_ns;
	others = call_others(smp_processor_id());
	while (atomic_read(&meeting.here) < others && goes_on(COMING))
		;
	held = pass(COMING, STANDING) && lead_still(others);
	if (!held)
		call_off();
	leave();
	wait_for_completion(&all_left);
	migrate_enable();
	cpus_read_unlock();
	return held;
}

int rendezvous_start(void)
{
	return smpboot_register_percpu_thread(&attendants);
}

void rendezvous_stop(void)
{
	smpboot_unregister_percpu_thread(&attendants);
}
