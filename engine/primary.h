/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_PRIMARY_H
#define REMUS_PRIMARY_H

#include "engine/base/child.h"
#include "engine/capture.h"
#include "engine/detect/detector.h"
#include "engine/detect/lease.h"
#include "engine/detect/vmrecord.h"
#include "engine/dial.h"
#include "engine/link/link.h"
#include "engine/output.h"
#include "engine/remusd_conf.h"
#include "engine/sender.h"
#include "engine/window.h"

/**
 * remusd's child for one VM: the checkpoint loop. One process, one thread, one event loop.
 *
 *   primary.c          start, commands from the daemon, end
 *   primary_greet.c    connect, HELLO, try again later
 *   primary_session.c  records from the backup, loss of the link
 *   primary_sync.c     first copy of a session, VM running
 *   primary_loop.c     the epoch: deadline, capture, coding
 *   primary_sealed.c   its end: acknowledged by the backup, output released
 *   primary_guard.c    lease, fault detector, heartbeats, life of the VM
 *   primary_leave.c    unprotect, shutdown, planned failover
 *   primary_end.c      the end of the process, when the VM can be left
 *   primary_gone.c     handed over, fenced, the VM switched off or crashed
 *   primary_start.c    open the VM and everything around it, from a command or a record
 *   primary_suspend.c  by what the VM is stopped
 *   primary_status.c   the status object
 *
 * Phases:
 *   CONNECTING -> GREETING -> SYNCING -> RUNNING -> LEAVING -> (end)
 * and back to CONNECTING whenever a session is lost, by way of LEAVING when this primary cannot go
 * on with it although all is well with the VM. The first EPOCH_END of a session puts the
 * lease in force; it stays so over a lost session until the backup gives up its right to activate:
 * by WELCOME to a new generation, by BYE or BYE_ACK, or by a REJECT that names this primary's own
 * generation.
 */
enum primary_phase {
    PRIMARY_CONNECTING,
    PRIMARY_GREETING,
    PRIMARY_SYNCING,
    PRIMARY_RUNNING,
    PRIMARY_LEAVING,
    PRIMARY_ENDED,
};

/** What the child works towards. */
enum primary_goal {
    GOAL_PROTECT,
    GOAL_UNPROTECT,
    GOAL_SHUTDOWN, /* remusd stops; protection resumes when it is back */
    GOAL_FAILOVER, /* planned: the VM is to run at the backup */
    GOAL_VM_OFF,   /* the guest powered off */
    GOAL_VM_LOST,  /* the VM crashed: the backup is to resume it */
};

/** Why the VM is kept stopped outside a capture; it runs when none is left. */
#define HOLD_LEASE   (1u << 0) /* no lease: another copy may be running */
#define HOLD_CODING  (1u << 1) /* its memory is the staging area of an epoch too large for it */
#define HOLD_LEAVING (1u << 2) /* planned failover: this copy has run for the last time */

struct primary {
    struct child child;
    const struct remusd_conf *conf;
    struct hv *hv;
    struct hv_vm *vm;
    struct hv_info info;
    struct vmrecord rec, rec_before; /* rec_before: as found, to put back when protect is refused */
    bool had_rec;
    struct hv_suspend_now suspend; /* as it was last looked at */
    bool unfit;                    /* a failover would not resume the VM as it is */
    bool no_log; /* the dirty log is not to be had: the backup is left alone until it is */
    enum primary_phase phase;
    enum primary_goal goal;
    json_int_t protect_id, goal_id; /* commands waiting for an answer; 0: none */
    bool ever_welcomed, rec_known,
        beyond;   /* beyond: went over the generation that a backup named */
    bool force;   /* unprotect --force: end in any case once the bound is over */
    bool staying; /* ENDED, but the VM may yet obey a stop that was asked */

    struct dial *dial;
    struct link *link;
    struct event *retry_ev, *greet_ev;
    struct msg_welcome welcome;

    unsigned holds;
    struct capture capture;
    struct sender sender;
    struct output output;
    struct window window;

    /* the epoch in work */
    uint64_t epoch; /* last one begun */
    uint64_t
        in_place; /* the epoch that makes the backup's replica unusable until sealed; 0: none */
    bool coding, live; /* sender busy; with pages of the live copy */
    bool torn; /* the VM had been resumed by somebody else when primary_let was to resume it */
    struct event *code_ev;
    struct mono captured;

    /* live copy */
    struct bitmap todo, memory; /* memory: every page that the VM was seen to have */
    unsigned round, late_stops;
    uint64_t sync_done, sync_total;
    struct mono sync_start;

    /* the deadline */
    struct event *epoch_ev;
    struct mono deadline;
    bool due, late;
    uint64_t missed;

    /* the backup's answers */
    uint64_t sealed;
    struct mono sealed_at;
    struct detector detector;
    struct lease_held lease;
    struct event *guard_ev, *beat_ev, *vm_ev, *vm_poll_ev, *leave_ev, *status_ev;
    struct mono last_asked; /* when something that is acknowledged was last sent */

    struct hist ack_us;
    uint64_t seals; /* over the whole life */
    struct mono rate_at, status_at;
    uint64_t rate_seals, bytes_before; /* octets of earlier sessions */
    double rate;
};

/* primary.c */
int primary_main(const char *uuid_text, const struct remusd_conf *conf);
/** Fails the pending protect command (nothing was protected yet), undoes what it did, ends. */
void primary_refuse(struct primary *p, const char *code, const struct err *err);
/** Keeps the VM stopped / lets it run again when no reason is left. */
void primary_hold(struct primary *p, unsigned why);
void primary_let(struct primary *p, unsigned why);
/** Makes the record durable in `state`. -1: it is not, and must not be acted upon. */
int primary_record(struct primary *p, enum vmrecord_state state) MUST_CHECK;

/* primary_end.c */
/**
 * Ends the child: says "done", leaves the loop. The VM is left as it is; a VM that runs and may yet
 * obey a stop that was asked is looked after until it has, and the child ends then.
 */
void primary_end(struct primary *p);
/** The VM was looked at; ENDED. */
void primary_end_step(struct primary *p, enum hv_gone how);
/** Answers a command that came since. */
void primary_end_busy(struct primary *p, json_int_t id);
/** Ends it without its word: remusd starts another after a pause, which goes on from the record. */
void primary_end_for_now(struct primary *p);

/* primary_start.c */
/** `cmd` is protect (`id` waits for the answer) or resume (`id` 0). */
void primary_start(struct primary *p, json_t *cmd, json_int_t id);

/* primary_greet.c */
void primary_connect(struct primary *p);
void primary_retry_later(struct primary *p);

/* primary_session.c */
extern const struct link_ops primary_link_ops;
void primary_close_link(struct primary *p, bool flush);
/** The session is over: back to CONNECTING. */
void primary_lost(struct primary *p, const char *cause, const char *text);
/** The same, of one whose end was announced; the cause is said already. */
void primary_parted(struct primary *p);
/** The backup has given up its right to activate: no lease binds, the guest is on its own network.
 */
void primary_released(struct primary *p);

/* primary_sync.c */
/** Switches the dirty log on, unless it is. It stays on over sessions. */
int primary_log(struct primary *p, struct err *err) MUST_CHECK;
void primary_sync_start(struct primary *p);
/** All of the present round is coded. */
void primary_sync_round(struct primary *p);
json_t *primary_sync_status(const struct primary *p);

/* primary_loop.c */
int primary_loop_init(struct primary *p) MUST_CHECK;
void primary_loop_reset(struct primary *p);
/** Captures now if the epoch is due and nothing stands in the way; else counts a miss. */
void primary_try_epoch(struct primary *p);
/** Ends epoch `p->epoch`'s capture; `also` is what the live copy has not sent. */
void primary_capture(struct primary *p, const struct bitmap *also, bool last);
/** Codes on as far as the link takes it. */
void primary_code(struct primary *p);

/* primary_sealed.c */
void primary_sealed(struct primary *p, const struct msg_ack *m);

/* primary_guard.c */
int primary_guard_init(struct primary *p) MUST_CHECK;
void primary_guard_stop(struct primary *p);
void primary_heard(struct primary *p);
void primary_lease_start(struct primary *p, struct mono sent);
void primary_lease_renew(struct primary *p, struct mono sent, uint32_t lease_ms);

/* primary_leave.c */
/** Answers the command that waits for the goal; `ok` is for a child that ends now. */
void primary_reply_goal_err(struct primary *p, const char *code, const char *hint,
                            const char *text);
void primary_reply_goal_ok(struct primary *p);
/** From now on the way out takes a few seconds at most. */
void primary_bound_leaving(struct primary *p);
void primary_leave(struct primary *p, enum primary_goal goal, json_int_t id, bool force);
/** A session is open and the goal is not GOAL_PROTECT. */
void primary_leave_step(struct primary *p);
void primary_bye_acked(struct primary *p);
/** No epoch can follow the last one, but nothing is wrong with the VM. */
void primary_part(struct primary *p, const char *cause, const char *text);

/* primary_gone.c */
void primary_handed_over(struct primary *p, uint64_t generation);
/** The backup says that it runs the VM: destroys the stale copy here. */
void primary_fenced(struct primary *p, const char *text, uint64_t generation);
/** The backup could not take the VM: answers the failover, and protection goes on. */
void primary_failover_refused(struct primary *p, const char *text);
/** The VM ended here without being asked to. */
void primary_vm_gone(struct primary *p, enum hv_gone how);

/* primary_suspend.c */
/** Says what has changed; the VM is there. */
void primary_suspend_look(struct primary *p);
json_t *primary_suspend_status(const struct primary *p);

/* primary_status.c */
int primary_status_init(struct primary *p) MUST_CHECK;
void primary_status_send(struct primary *p);
/** Sends one if the last is so old that the event loop must be waiting: remusd is not to take that
 * for a process that hangs. */
void primary_status_waiting(struct primary *p);
bool primary_is_protected(const struct primary *p);

#endif
