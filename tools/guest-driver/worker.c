/* SPDX-License-Identifier: GPL-2.0-or-later */
#define pr_fmt(fmt) "remus_suspend: " fmt

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/wait.h>
#include <xen/xen-ops.h>

#include "channel.h"
#include "counters.h"
#include "cut.h"
#include "devices.h"
#include "kernel.h"
#include "revive.h"
#include "worker.h"

/* Devices that are not back by then are not waited for. */
#define SETTLE_LIMIT_MS 60000
#define SETTLE_LOOK_MS 20

static struct task_struct *task;
static DECLARE_WAIT_QUEUE_HEAD(wake);
static bool asked;   /* an event came, at asked_at */
static bool resumed; /* the kernel was suspended, by us or not: the channel may be gone */
static u64 asked_at;

static irqreturn_t on_event(int irq, void *unused)
{
	asked_at = sched_clock();
	smp_store_release(&asked, true);
	wake_up(&wake);
	return IRQ_HANDLED;
}

/* Also when `control/shutdown` was what suspended the guest. */
static int on_resume(struct notifier_block *nb, unsigned long action, void *data)
{
	smp_store_release(&resumed, true);
	wake_up(&wake);
	return NOTIFY_DONE;
}

static struct notifier_block resume_notice = {.notifier_call = on_resume};

/*
 * Transactions that programs have open in xenstore are still good there. xs_suspend_cancel() takes
 * them for lost: their end would never reach xenstore, which would keep them for ever.
 */
static void resume_xenstore(void)
{
	preempt_disable();
	--*kernel.xb_dev_generation_id;
	kernel.xs_suspend_cancel();
	preempt_enable();
}

/*
 * The kernel's own suspend runs in xenwatch: not meanwhile, for of two that had both called
 * xs_suspend() neither could go on after a restore. Nor is a frontend cut in the middle of news.
 */
static enum cut_end suspend(void)
{
	u64 begun = sched_clock();
	enum cut_end end;

	counters.wake_ns += begun - asked_at;
	mutex_lock(kernel.xenwatch_mutex);
	kernel.xs_suspend();
	counters.drain_ns += sched_clock() - begun;
	end = cut_make();
	if (end == CUT_RESTORED)
		revive_xenstore();
	else
		resume_xenstore();
	mutex_unlock(kernel.xenwatch_mutex);
	if (end == CUT_RESTORED)
		devices_reconnect();
	return end;
}

/* Once for each kind, whatever happens: dom0 can repeat it at any rate. */
static void account(enum cut_end end)
{
	switch (end) {
	case CUT_RESUMED:
		counters.checkpoints++;
		break;
	case CUT_RESTORED:
		counters.restores++;
		break;
	case CUT_LATE:
		counters.late++;
		pr_warn_once("a suspend was given up: the CPUs were not together after %lu us\n",
			     counters.rendezvous_last_ns / 1000);
		break;
	case CUT_ABANDONED:
		counters.abandoned++;
		pr_warn_once("a request was not obeyed: its sender has closed the channel\n");
		break;
	case CUT_FAILED:
		pr_warn_once("Xen did not suspend the domain\n");
		break;
	}
}

static void answer(void)
{
	enum cut_end end = channel_state() == CHANNEL_IN_USE ? suspend() : CUT_ABANDONED;

	account(end);
	if (end == CUT_LATE || end == CUT_FAILED)
		channel_refuse();
	if (end != CUT_RESTORED)
		channel_ready(end == CUT_ABANDONED);
}

/*
 * Until all devices are connected again there is no channel: a checkpoint that were taken in
 * between could not be restored, since blkfront keeps the requests that it has yet to repeat in a
 * list that the next restore would overwrite.
 */
static void settle(void)
{
	unsigned int waited;

	for (waited = 0; waited < SETTLE_LIMIT_MS && !kthread_should_stop();
	     waited += SETTLE_LOOK_MS) {
		if (devices_settled())
			return;
		msleep(SETTLE_LOOK_MS);
	}
	if (!kthread_should_stop())
		pr_warn("a device has not come back %d s after the restore\n",
			SETTLE_LIMIT_MS / 1000);
}

static void reopen(void)
{
	int err;

	channel_close();
	settle();
	if (kthread_should_stop())
		return;
	err = channel_open(on_event);
	if (!err)
		err = channel_publish();
	if (err)
		pr_err(
		    "no channel in this domain (error %d); suspends are the kernel's own again\n",
		    err);
	else
		pr_info("restored; listening on event channel %u\n", channel_port());
}

static bool taken(bool *flag)
{
	return xchg(flag, false);
}

static int work(void *unused)
{
	while (!kthread_should_stop()) {
		wait_event_interruptible(wake, READ_ONCE(asked) || READ_ONCE(resumed) ||
						   kthread_should_stop());
		if (taken(&resumed) && channel_lost()) {
			taken(&asked);
			reopen();
		}
		if (taken(&asked))
			answer();
	}
	return 0;
}

/* Before the thread runs there is a channel; dom0 is told of it when it runs. */
static int begin(void)
{
	int err = channel_open(on_event);

	if (err)
		return err;
	wake_up_process(task);
	return channel_publish();
}

/* The thread first: after a restore it would publish a channel again. */
static void end(void)
{
	kthread_stop(task);
	put_task_struct(task);
	channel_withdraw();
	channel_close();
}

void worker_stop(void)
{
	xen_resume_notifier_unregister(&resume_notice);
	end();
}

int worker_start(void)
{
	int err;

	task = kthread_create_on_cpu(work, NULL, 0, "remus_suspend/%u");
	if (IS_ERR(task))
		return PTR_ERR(task);
	sched_set_fifo(task);
	get_task_struct(task);
	xen_resume_notifier_register(&resume_notice);
	err = begin();
	if (err)
		worker_stop();
	return err;
}
