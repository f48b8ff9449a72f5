/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_COUNTERS_H
#define REMUS_COUNTERS_H

/*
 * In /sys/module/remus_suspend/parameters, for reading. Written by the worker alone, or inside the
 * rendezvous that the worker waits for.
 */
struct counters {
	unsigned long checkpoints; /* suspended, and resumed in the same domain */
	unsigned long restores;	   /* suspended, and resumed in another domain */
	unsigned long abandoned;   /* asked, but whoever asked has closed the channel */
	unsigned long late;	   /* given up: the CPUs took too long to come together */
	/* Sums and extremes, in nanoseconds, of those that suspended or were late. */
	unsigned long wake_ns;	     /* from the interrupt to the worker */
	unsigned long drain_ns;	     /* until no xenstore request was under way */
	unsigned long rendezvous_ns; /* until all CPUs stood still */
	unsigned long rendezvous_last_ns;
	unsigned long rendezvous_max_ns;
};

extern struct counters counters;
/* A rendezvous that takes longer is given up; milliseconds. */
extern unsigned int rendezvous_limit_ms;

#endif
