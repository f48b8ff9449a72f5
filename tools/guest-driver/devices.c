/* SPDX-License-Identifier: GPL-2.0-or-later */
#define pr_fmt(fmt) "remus_suspend: " fmt

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/printk.h>
#include <xen/xenbus.h>

#include "devices.h"

static const struct xenbus_device_id no_device[] = {{"remus-suspend"}, {""}};
static struct xenbus_driver on_the_bus = {.ids = no_device};

int devices_init(void)
{
	return xenbus_register_frontend(&on_the_bus);
}

void devices_exit(void)
{
	xenbus_unregister_driver(&on_the_bus);
}

static int for_each_device(void *data, int (*f)(struct device *, void *))
{
	return bus_for_each_dev(on_the_bus.driver.bus, NULL, data, f);
}

/* Partitions are children of the disk, not of the device. */
static bool is_disk(const struct device *child)
{
	return child->type && child->type->name && !strcmp(child->type->name, "disk");
}

static int hold_disk(struct device *child, void *unused)
{
	if (is_disk(child))
		blk_mq_quiesce_queue_nowait(dev_to_disk(child)->queue);
	return 0;
}

static int hold_disks(struct device *dev, void *unused)
{
	return device_for_each_child(dev, NULL, hold_disk);
}

void devices_hold_disks(void)
{
	for_each_device(NULL, hold_disks);
}

/* A task may have been stopped in the middle of handing over a request: it is to come to an end. */
static int await_disk(struct device *child, void *unused)
{
	if (is_disk(child)) {
		blk_mq_quiesce_queue(dev_to_disk(child)->queue);
		blk_mq_unquiesce_queue(dev_to_disk(child)->queue);
	}
	return 0;
}

static int release_disk(struct device *child, void *unused)
{
	if (is_disk(child))
		blk_mq_unquiesce_queue(dev_to_disk(child)->queue);
	return 0;
}

/* As the kernel's own suspend does it, where no other task runs. */
static int reconnect(struct device *dev, void *unused)
{
	const struct dev_pm_ops *bus = dev->bus->pm;

	device_lock(dev);
	device_for_each_child(dev, NULL, await_disk);
	if (bus->freeze(dev) || bus->restore(dev))
		pr_err("%s is lost: it cannot be connected again\n", dev_name(dev));
	device_for_each_child(dev, NULL, release_disk);
	device_unlock(dev);
	return 0;
}

void devices_reconnect(void)
{
	for_each_device(NULL, reconnect);
}

static int is_unconnected(struct device *dev, void *unused)
{
	return dev->driver && to_xenbus_device(dev)->state != XenbusStateConnected;
}

static void no_news(struct xenbus_watch *watch, const char *path, const char *token)
{
}

/* To end a watch waits until the news that is being dealt with has been dealt with. */
static void await_xenwatch(void)
{
	struct xenbus_watch watch = {.node = "device", .callback = no_news};

	if (!register_xenbus_watch(&watch))
		unregister_xenbus_watch(&watch);
}

/* Before: the kernel's own suspend may still be at work in xenwatch, and no device know of it yet.
 * After: a device is connected before the news that connected it has been dealt with. */
bool devices_settled(void)
{
	await_xenwatch();
	if (for_each_device(NULL, is_unconnected))
		return false;
	await_xenwatch();
	return true;
}
