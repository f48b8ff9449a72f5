/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Suspends this Xen guest for a checkpoint without freezing its tasks or its devices, when dom0
 * asks through an event channel. Works for Xen's own `xl save`, `xl migrate` and `xl remus` as
 * well.
 */
#define pr_fmt(fmt) "remus_suspend: " fmt

#include <linux/module.h>
#include <linux/printk.h>
#include <linux/time64.h>
#include <xen/xen.h>

#include "channel.h"
#include "counters.h"
#include "devices.h"
#include "kernel.h"
#include "rendezvous.h"
#include "worker.h"

static int check_domain(void)
{
	if (xen_hvm_domain() && !xen_initial_domain())
		return 0;
	pr_err("not loaded: this is not a PVH or HVM guest of Xen\n");
	return -ENODEV;
}

static int __init remus_suspend_init(void)
{
	int err = check_domain();

	if (!err)
		err = kernel_find_parts();
	if (err)
		return err;
	err = devices_init();
	if (err)
		goto fail;
	err = rendezvous_start();
	if (err)
		goto fail_devices;
	err = worker_start();
	if (err)
		goto fail_rendezvous;
	pr_info("version %s, listening on event channel %u\n", THIS_MODULE->version,
		channel_port());
	return 0;

fail_rendezvous:
	rendezvous_stop();
fail_devices:
	devices_exit();
fail:
	pr_err("not loaded: error %d\n", err);
	return err;
}

static void __exit remus_suspend_exit(void)
{
	worker_stop();
	rendezvous_stop();
	devices_exit();
	pr_info("unloaded after %lu checkpoints and %lu restores, whose longest rendezvous took "
		"%lu us\n",
		counters.checkpoints, counters.restores,
		counters.rendezvous_max_ns / NSEC_PER_USEC);
}

module_init(remus_suspend_init);
module_exit(remus_suspend_exit);
MODULE_DESCRIPTION("Suspends a Xen guest for checkpoints without freezing it");
MODULE_VERSION("0.1");
MODULE_LICENSE("GPL");
