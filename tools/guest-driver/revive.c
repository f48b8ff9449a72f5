/* SPDX-License-Identifier: GPL-2.0-or-later */
#define pr_fmt(fmt) "remus_suspend: " fmt

#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/syscore_ops.h>
#include <linux/string.h>
#include <xen/xen-ops.h>
#include <asm/xen/hypervisor.h>

#include "devices.h"
#include "kernel.h"
#include "revive.h"

/* Stands in for the old domain's shared page while the clocks are stopped. */
static struct shared_info old_page;

/* True: the clocks stand still at the moment of the suspend. */
static bool stop_clocks(const struct pvclock_wall_clock *wc)
{
	struct shared_info *page = *kernel.HYPERVISOR_shared_info;
	int err;

	old_page.wc = *wc;
	old_page.wc.version &= ~1u; /* a reader waits while it is odd */
	*kernel.HYPERVISOR_shared_info = &old_page;
	err = syscore_suspend();
	if (err == -EBUSY) /* a wakeup event, of no meaning here; it is reported once */
		err = syscore_suspend();
	*kernel.HYPERVISOR_shared_info = page;
	if (err)
		pr_err("the clocks may be wrong after this restore (error %d)\n", err);
	return !err;
}

/*
 * To Xen each CPU of this domain has been kept from running since the domain was made: at a backup
 * that may be weeks. The kernel takes that for stolen time. With CONFIG_PARAVIRT_TIME_ACCOUNTING
 * kernels of before 2025 stop their scheduler's clock until as much time has gone by.
 */
static void forget_the_wait(void)
{
	int cpu;

	for_each_online_cpu(cpu)
	{
		u64 *old = *per_cpu_ptr(kernel.old_runstate_time, cpu);
		u64 here =
		    kernel.xen_steal_clock(cpu) - old[RUNSTATE_runnable] - old[RUNSTATE_offline];

		old[RUNSTATE_offline] -= here; /* below zero as well: only the sum is looked at */
	}
}

/* Its timers were set in the old domain. */
void revive_cpu(void)
{
	kernel.tick_suspend_local();
	kernel.tick_resume_local();
}

void revive_domain(const struct pvclock_wall_clock *wc)
{
	bool stopped = stop_clocks(wc);

	kernel.xen_manage_runstate_time(-1);
	kernel.xen_arch_pre_suspend();
	kernel.xen_arch_post_suspend(0);
	kernel.xen_manage_runstate_time(0);
	forget_the_wait();
	kernel.gnttab_resume();
	kernel.xen_irq_resume();
	kernel.xen_timer_resume();
	if (stopped)
		syscore_resume();
	else
		revive_cpu();
	devices_hold_disks();
}

void revive_xenstore(void)
{
	kernel.xen_console_resume();
	raw_notifier_call_chain(kernel.xen_resume_notifier, 0, NULL);
	kernel.xs_resume();
}
