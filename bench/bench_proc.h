/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BENCH_PROC_H
#define REMUS_BENCH_PROC_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/** SIGINT and SIGTERM end all waiting from here on, so that whatever runs is taken down in order.
 */
void proc_catch_signals(void);

/** -1 with errno=EINTR when the run is to end. */
int proc_sleep_ms(int ms) MUST_CHECK;

/** A program that belongs to this one: beside it, or in ../sbin. -1 with err. */
int proc_find(const char *name, char ret[PATH_MAX], struct err *err) MUST_CHECK;

/** A child with its output in a file; it dies with this process. Zeroed: not started. */
struct proc {
    pid_t pid;
    char log[PATH_MAX];
};

/** `program` as for proc_find; `argv` begins with what follows the program's name. -1 with err. */
int proc_start(struct proc *p, const char *program, const char *const argv[], const char *log,
               struct err *err) MUST_CHECK;

/** Its exit status, 128 and more for a signal; -1 with errno=ETIMEDOUT, EINTR or ESRCH. */
int proc_wait(struct proc *p, int timeout_ms);

/** Ends it: `sig`, and SIGKILL if that does not help within two seconds. */
void proc_end(struct proc *p, int sig);

/**
 * Keeps a process (0: this one) on the n-th processor that this program may use, -1: on any of
 * them. Best effort: with too few processors nothing happens.
 */
void proc_pin(pid_t pid, int n);

/** What a process has used so far. */
struct proc_use {
    double cpu_s;
    double rss_mb, anon_mb; /* resident; of that not shared with any file */
};

/** -1 with errno: there is no such process. */
int proc_use(pid_t pid, struct proc_use *ret) MUST_CHECK;

#endif
