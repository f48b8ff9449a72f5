/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_KERNEL_H
#define REMUS_KERNEL_H

#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/percpu.h>
#include <xen/interface/xen.h>

/*
 * Parts of the kernel that it keeps from modules. They are what the kernel's own suspend
 * (drivers/xen/manage.c) is made of, found by name when the module is loaded.
 * X(name, type of a pointer to it)
 */
typedef void (*kernel_call)(void);
typedef void (*kernel_call_int)(int);
typedef u64 (*kernel_clock)(int cpu);
typedef u64 runstate_times[4]; /* by RUNSTATE_..., in ns */

#define KERNEL_PARTS(X)                                                                            \
	/* xenstore's connection */                                                                \
	X(xs_suspend, kernel_call)                                                                 \
	X(xs_suspend_cancel, kernel_call)                                                          \
	X(xs_resume, kernel_call)                                                                  \
	X(xb_dev_generation_id, unsigned int *)                                                    \
	X(xenwatch_mutex, struct mutex *)                                                          \
	/* a new domain's memory areas, event channels, grants, timers */                          \
	X(HYPERVISOR_shared_info, struct shared_info **)                                           \
	X(xen_manage_runstate_time, kernel_call_int)                                               \
	X(old_runstate_time, runstate_times __percpu *)                                            \
	X(xen_steal_clock, kernel_clock)                                                           \
	X(xen_arch_pre_suspend, kernel_call)                                                       \
	X(xen_arch_post_suspend, kernel_call_int)                                                  \
	X(gnttab_resume, kernel_call)                                                              \
	X(xen_irq_resume, kernel_call)                                                             \
	X(xen_timer_resume, kernel_call)                                                           \
	X(tick_suspend_local, kernel_call)                                                         \
	X(tick_resume_local, kernel_call)                                                          \
	/* what is told of it */                                                                   \
	X(xen_console_resume, kernel_call)                                                         \
	X(xen_resume_notifier, struct raw_notifier_head *)                                         \
	X(pvclock_touch_watchdogs, kernel_call)

struct kernel_parts {
#define X(name, type) type name;
	KERNEL_PARTS(X)
#undef X
};

extern struct kernel_parts kernel;

/* 0, or a negative errno after one line in the log that says what is missing. */
int __must_check kernel_find_parts(void);

#endif
