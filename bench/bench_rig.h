/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BENCH_RIG_H
#define REMUS_BENCH_RIG_H

#include <jansson.h>
#include <stdint.h>

#include "bench/bench.h"
#include "bench/bench_proc.h"
#include "bench/bench_spread.h"
#include "engine/base/mono.h"

/**
 * A whole installation in one directory: a switch, host A with remusd, host B with backupd, VMs,
 * clients. Daemons run with their defaults. Everything returns -1 with err.
 */
enum rig_side { RIG_A, RIG_B, RIG_SIDES };

struct rig {
    char dir[PATH_MAX / 4];
    struct proc sw, daemon[RIG_SIDES];
    char address[128]; /* of backupd */
    unsigned clients;
};

int rig_start(struct rig *r, struct bench *b, struct err *err) MUST_CHECK;
void rig_stop(struct rig *r);

/** What a VM is to do; 0 and NULL: as remus-simvm's defaults, but no pattern. */
struct rig_vm_opts {
    int mem_mb;
    int pattern_rate;
    int dirty_rate, span_mb; /* pages a second, MiB */
    const char *order, *content;
};

struct rig_vm {
    struct proc proc;
    char uuid[40], ip[16];
};

int rig_vm_start(struct rig *r, struct rig_vm *vm, const struct rig_vm_opts *opts,
                 struct err *err) MUST_CHECK;
/** Ends the VM wherever it runs. */
void rig_vm_stop(struct rig *r, struct rig_vm *vm);

/** Kills remusd, its child and the VM at once, as a power cut would. */
int rig_host_dies(struct rig *r, struct rig_vm *vm, struct mono *ret_when,
                  struct err *err) MUST_CHECK;

/** One request (stolen) to a daemon; the reply, or NULL when it was refused or none came. */
json_t *rig_call(struct rig *r, enum rig_side side, json_t *request, struct err *err) MUST_CHECK;

/** Returns once a sealed epoch is there. */
int rig_protect(struct rig *r, const struct rig_vm *vm, int epoch_ms, const char *hold,
                struct err *err) MUST_CHECK;
int rig_unprotect(struct rig *r, const struct rig_vm *vm, struct err *err) MUST_CHECK;

/** Waits for a state in the VM's status at `side`. */
int rig_await(struct rig *r, enum rig_side side, const struct rig_vm *vm, const char *state,
              int timeout_ms, struct err *err) MUST_CHECK;

/** CLOCK_MONOTONIC nanoseconds of the newest event of this name; 0: there was none. */
int64_t rig_event(struct rig *r, enum rig_side side, const struct rig_vm *vm, const char *event);

/** A VM's status at a daemon and the moment it speaks of. `status` is the caller's. */
struct rig_look {
    json_t *status;
    double at_s;
};
int rig_look(struct rig *r, enum rig_side side, const struct rig_vm *vm, struct rig_look *ret,
             struct err *err) MUST_CHECK;

/** object[key], or object[key][inner]; NaN when it is no number. */
double rig_number(const json_t *object, const char *key, const char *inner);

/**
 * Watches a protected VM for `ms`: epochs sealed per second, one sample each second (one in all
 * when `ms` is shorter), and the looks at begin and end, the caller's to free by rig_watch_free.
 */
struct rig_watch {
    struct rig_look first, last;
    struct spread epochs_per_s;
};
int rig_watch(struct rig *r, const struct rig_vm *vm, int ms, struct rig_watch *ret,
              struct err *err) MUST_CHECK;
void rig_watch_free(struct rig_watch *w);
/** How fast a number of the status grew. */
double rig_watch_rate(const struct rig_watch *w, const char *key);

/** A client of the VM. rig_client_end ends its load, if need be, and gives its report. */
struct rig_client {
    struct proc proc;
};
int rig_client_start(struct rig *r, struct rig_client *c, const struct rig_vm *vm, const char *mode,
                     int interval_ms, int count, struct err *err) MUST_CHECK;
json_t *rig_client_end(struct rig_client *c, int timeout_ms, struct err *err) MUST_CHECK;

#endif
