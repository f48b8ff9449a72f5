/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_CUT_H
#define REMUS_CUT_H

/*
 * The cut: all CPUs come together, one of them suspends the domain. What is in memory then is what
 * a checkpoint holds, and where the guest goes on, in this domain or in another.
 */

enum cut_end {
	CUT_RESUMED,   /* in the same domain */
	CUT_RESTORED,  /* in another domain, whose clocks and channels are in order */
	CUT_LATE,      /* not suspended: the CPUs took longer than rendezvous_limit_ms */
	CUT_ABANDONED, /* not suspended: nobody would resume it */
	CUT_FAILED,    /* not suspended: Xen refused */
};

/* In task context, xenstore being drained. */
enum cut_end cut_make(void);

#endif
