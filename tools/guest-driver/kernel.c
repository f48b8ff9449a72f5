/* SPDX-License-Identifier: GPL-2.0-or-later */
#define pr_fmt(fmt) "remus_suspend: " fmt

#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/printk.h>

#include "kernel.h"

#ifdef CONFIG_PREEMPT_RT
#error "spin locks are taken while all CPUs stand still; that is not possible with PREEMPT_RT"
#endif

struct kernel_parts kernel;

typedef unsigned long (*lookup_call)(const char *name);

/* Only a probe is still told where a function is that modules may not call. */
static lookup_call find_lookup(void)
{
#if IS_ENABLED(CONFIG_KPROBES) && IS_ENABLED(CONFIG_KALLSYMS_ALL)
	struct kprobe probe = {.symbol_name = "kallsyms_lookup_name"};
	int err = register_kprobe(&probe);

	if (err) {
		pr_err("not loaded: no kprobe at kallsyms_lookup_name (error %d)\n", err);
		return NULL;
	}
	unregister_kprobe(&probe);
	return (lookup_call)probe.addr;
#else
	pr_err("not loaded: this kernel has no kprobes or no names of its data (CONFIG_KPROBES, "
	       "CONFIG_KALLSYMS_ALL)\n");
	return NULL;
#endif
}

int kernel_find_parts(void)
{
	static const struct {
		const char *name;
		void *place;
	} wanted[] = {
#define X(name, type) {#name, &kernel.name},
	    KERNEL_PARTS(X)
#undef X
	};
	lookup_call lookup = find_lookup();
	size_t i;

	if (!lookup)
		return -EOPNOTSUPP;
	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		unsigned long address = lookup(wanted[i].name);

		if (!address) {
			pr_err("not loaded: this kernel has no %s\n", wanted[i].name);
			return -EOPNOTSUPP;
		}
		*(unsigned long *)wanted[i].place = address;
	}
	return 0;
}
