/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_CHANNEL_H
#define REMUS_CHANNEL_H

#include <linux/interrupt.h>
#include <linux/types.h>

/*
 * The event channel on which dom0 asks for a suspend. Its number is in xenstore, in the node
 * device/suspend/event-channel that libxl makes for it, which Xen's own tools read as well. What
 * this driver says of itself is in nodes below that one: a guest may write nowhere else there.
 */

enum channel_state {
	CHANNEL_GONE,	/* not one of this domain: it is another domain than when it was opened */
	CHANNEL_UNUSED, /* nobody in dom0 is connected to it */
	CHANNEL_IN_USE,
};

/* `handler` is called for each event; then none comes until channel_ready(). 0 or -errno. */
int __must_check channel_open(irq_handler_t handler);
/* Also gives back what another domain had, after a restore. */
void channel_close(void);
/* As Xen sees it; for any context. */
enum channel_state channel_state(void);
/* True when the kernel has come up in another domain since it was opened; for any context. */
bool channel_lost(void);
/* Forgets an event that came since; interrupts are off. */
void channel_forget(void);
/* Events are wanted again; the last was of no use: `idle`, and a stream of such is slowed down. */
void channel_ready(bool idle);
/* Tells whoever asked that nothing comes of it. */
void channel_refuse(void);

/* Tells dom0, or tells it that there is none any more. 0 or -errno. They wait for xenstore. */
int __must_check channel_publish(void);
int channel_withdraw(void);
unsigned int channel_port(void);

#endif
