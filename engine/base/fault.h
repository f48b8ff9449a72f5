/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_FAULT_H
#define REMUS_FAULT_H

#include <stdbool.h>
#include <stdio.h>

/**
 * Named fault points, compiled in always, armed by the environment. A test loops over the table
 * (remusd --list-faults, backupd --list-faults), so a new point cannot be forgotten.
 *
 *   REMUS_FAULT=NAME[:NTH[:ACTION[=ARG]]]   several, separated by ','
 *
 * NTH (default 1) is the hit that fires, counted per process. ACTION is one of
 *   kill       SIGKILL to this process (the default)
 *   kill-pid   SIGKILL to process ARG (the VM, the parent, a peer), then go on
 *   fail       fault_hit() returns true: the caller takes its error path (ENOMEM, write error, ...)
 *   sleep-ms   sleep ARG milliseconds, then go on
 * An unknown name or action makes the program refuse to start.
 *
 *   REMUS_FAULT_ONCE=FILE   a rule fires only if FILE does not exist and can be created
 *
 * so that a child which is started again counts its hits but is not struck again.
 *
 *   REMUS_FAULT_FROM=NAME   hits count from the first one of point NAME on, that one included
 *
 * so that a hit lies behind the first copy, however many hits a slow machine makes of that.
 *
 * Points: primary_* are reached in remusd's VM child, backup_* in backupd's VM child, parent_* in
 * the parents. The name says the step that comes next.
 */
#define FAULT_POINTS(X)                                                                            \
    X(primary_hello)          /* connected, HELLO not yet sent */                                  \
    X(primary_welcomed)       /* WELCOME received, dirty log not yet on */                         \
    X(primary_copy_slice)     /* a slice of the live copy is about to be read */                   \
    X(primary_before_stop)    /* the epoch's deadline came, VM still running */                    \
    X(primary_stopped)        /* VM stopped, nothing captured */                                   \
    X(primary_dirty_fetched)  /* dirty bitmap taken (and reset), pages not copied */               \
    X(primary_stage_alloc)    /* staging memory is about to grow: `fail` = ENOMEM */               \
    X(primary_pages_copied)   /* pages staged, CPU state not yet saved */                          \
    X(primary_state_saved)    /* all captured, frame stream not yet cut */                         \
    X(primary_before_resume)  /* frame stream cut, VM still stopped */                             \
    X(primary_resumed)        /* VM runs again, epoch not yet coded */                             \
    X(primary_encode_slice)   /* a slice of pages is about to be coded */                          \
    X(primary_epoch_end)      /* all coded, EPOCH_END not yet queued */                            \
    X(primary_acked)          /* ACK received, frames not yet released */                          \
    X(primary_released)       /* frames of a sealed epoch released */                              \
    X(primary_link_write)     /* about to write to the link: `fail` = EPIPE */                     \
    X(primary_lease_lost)     /* lease ran out, VM not yet stopped */                              \
    X(primary_handover)       /* planned failover: last epoch sealed, HANDOVER not yet sent */     \
    X(primary_fenced)         /* told that the backup took over, stale VM not yet destroyed */     \
    X(backup_hello)           /* HELLO accepted, WELCOME not yet sent */                           \
    X(backup_replica_create)  /* about to create the replica: `fail` = ENOMEM */                   \
    X(backup_stage_alloc)     /* staging memory is about to grow: `fail` = ENOMEM */               \
    X(backup_pages)           /* a PAGES record arrived, not yet staged */                         \
    X(backup_epoch_end)       /* EPOCH_END arrived, not yet verified */                            \
    X(backup_verified)        /* verified, not yet sealed */                                       \
    X(backup_sealed)          /* sealed, not yet acknowledged */                                   \
    X(backup_acked)           /* ACK sent, frames not yet released */                              \
    X(backup_released)        /* frames released, epoch not yet applied */                         \
    X(backup_apply_page)      /* one page of a sealed epoch is about to be written */              \
    X(backup_applied)         /* epoch applied */                                                  \
    X(backup_suspect)         /* primary silent, activation not yet decided */                     \
    X(backup_generation)      /* new generation chosen, not yet durable */                         \
    X(backup_before_activate) /* generation durable, VM not yet running */                         \
    X(backup_activated)       /* VM running here */                                                \
    X(state_write)            /* a state file is about to be written: `fail` = ENOSPC */           \
    X(state_rename)           /* written and synced, not yet renamed into place */                 \
    X(parent_spawn)           /* about to start a VM child: `fail` = EAGAIN */                     \
    X(parent_accept)          /* backupd: a connection was accepted: `fail` = drop it */

enum fault_point {
#define X(name) FAULT_##name,
    FAULT_POINTS(X)
#undef X
        FAULT_POINT_COUNT
};

/** Reads the environment. 0, or -1 with a message on stderr when it does not parse. */
int fault_init(void);

/** Counts a hit and carries out the armed action; true means "fail here". Cheap when unarmed. */
bool fault_hit(enum fault_point point);

/** One name per line. */
void fault_list(FILE *to);

/** FAULT(stopped) style use: if (FAULT(primary_stage_alloc)) { errno = ENOMEM; ... } */
#define FAULT(name) fault_hit(FAULT_##name)

#endif
