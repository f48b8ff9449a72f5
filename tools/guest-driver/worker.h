/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_WORKER_H
#define REMUS_WORKER_H

/* The thread that answers requests. Waits until it listens; 0, or -errno. */
int __must_check worker_start(void);
/* Returns when a checkpoint in progress is over and dom0 knows that there will be no other. */
void worker_stop(void);

#endif
