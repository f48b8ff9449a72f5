/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/module.h>

#include "counters.h"

struct counters counters;
unsigned int rendezvous_limit_ms = 1000;

module_param(rendezvous_limit_ms, uint, 0644);
MODULE_PARM_DESC(rendezvous_limit_ms, "A suspend is given up when the CPUs need longer to stop");

#define COUNTER(name, text)                                                                        \
	module_param_named(name, counters.name, ulong, 0444);                                      \
	MODULE_PARM_DESC(name, text)

COUNTER(checkpoints, "Suspended and resumed in the same domain (read only)");
COUNTER(restores, "Suspended and resumed in another domain (read only)");
COUNTER(abandoned, "Requests whose sender had closed the channel (read only)");
COUNTER(late, "Given up: over rendezvous_limit_ms (read only)");
COUNTER(wake_ns, "Sum: interrupt to worker (read only)");
COUNTER(drain_ns, "Sum: until xenstore was quiet (read only)");
COUNTER(rendezvous_ns, "Sum: until all CPUs stood still (read only)");
COUNTER(rendezvous_last_ns, "The last rendezvous (read only)");
COUNTER(rendezvous_max_ns, "The longest rendezvous (read only)");
