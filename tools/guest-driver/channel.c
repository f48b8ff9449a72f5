/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/err.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <xen/events.h>
#include <xen/interface/event_channel.h>
#include <xen/xenbus.h>
#include <asm/xen/hypercall.h>

#include "channel.h"

#define NODE "device/suspend"
#define PORT "event-channel"
#define ABOUT "device/suspend/event-channel"

/*
 * New channels are bound to the first CPU, where the thread is that answers. The kernel would move
 * this one to the CPU that has the fewest: one CPU more to be woken for each request.
 */
#define ON_FIRST_CPU IRQF_NOBALANCING

static evtchn_port_t port;
static int irq = -1;

int channel_open(irq_handler_t handler)
{
	struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = 0};
	int err = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);

	if (err)
		return err;
	port = alloc.port;
	irq = bind_evtchn_to_irqhandler_lateeoi(port, handler, ON_FIRST_CPU | IRQF_NO_SUSPEND,
						"remus_suspend", &port);
	if (irq < 0) {
		struct evtchn_close close = {.port = port};

		HYPERVISOR_event_channel_op(EVTCHNOP_close, &close);
		return irq;
	}
	return 0;
}

void channel_close(void)
{
	if (irq >= 0)
		unbind_from_irqhandler(irq, &port);
	irq = -1;
}

enum channel_state channel_state(void)
{
	struct evtchn_status status = {.dom = DOMID_SELF, .port = port};

	if (HYPERVISOR_event_channel_op(EVTCHNOP_status, &status) ||
	    status.status == EVTCHNSTAT_closed)
		return CHANNEL_GONE;
	return status.status == EVTCHNSTAT_interdomain ? CHANNEL_IN_USE : CHANNEL_UNUSED;
}

/* The kernel forgets all channels then, and may use the number for another. */
bool channel_lost(void)
{
	return irq < 0 || irq_from_evtchn(port) != irq;
}

void channel_forget(void)
{
	xen_clear_irq_pending(irq);
}

void channel_ready(bool idle)
{
	xen_irq_lateeoi(irq, idle ? XEN_EOI_FLAG_SPURIOUS : 0);
}

void channel_refuse(void)
{
	notify_remote_via_irq(irq);
}

/* The port last: who sees it finds the rest. */
int channel_publish(void)
{
	int err = xenbus_printf(XBT_NIL, ABOUT, "version", "%s", THIS_MODULE->version);

	if (!err)
		err = xenbus_printf(XBT_NIL, ABOUT, "capabilities", "%s",
				    "plain-resume restore refusal");
	if (!err)
		err = xenbus_printf(XBT_NIL, ABOUT, "resume-plain", "1");
	if (!err)
		err = xenbus_printf(XBT_NIL, NODE, PORT, "%u", port);
	return err;
}

int channel_withdraw(void)
{
	return xenbus_write(XBT_NIL, NODE, PORT, "");
}

unsigned int channel_port(void)
{
	return port;
}
