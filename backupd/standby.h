/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_STANDBY_H
#define REMUS_STANDBY_H

#include "backupd/backupd_conf.h"
#include "backupd/export.h"
#include "backupd/store.h"
#include "engine/base/child.h"
#include "engine/base/hist.h"
#include "engine/detect/detector.h"
#include "engine/detect/lease.h"
#include "engine/detect/vmrecord.h"
#include "engine/link/link.h"
#include "engine/net/frameq.h"
#include "engine/net/port.h"

/**
 * backupd's child for one VM: it receives epochs, holds the guest's frames, and becomes the VM's
 * host when the primary falls silent.
 *
 *   standby.c           start, commands from the daemon, end
 *   standby_greet.c     a newcomer and its HELLO: refuse, or accept and create the replica
 *   standby_judge.c     what HELLO may be refused for
 *   standby_epoch.c     records of an epoch: collect, verify, seal, ack, release, apply
 *   standby_net.c       the guest's frames on this host's network
 *   standby_takeover.c  fault detector, lease, activation
 *   standby_active.c    whether the VM that was resumed here still runs
 *   standby_export.c    the sealed epoch as a file
 *   standby_status.c    the status object
 */
enum standby_phase {
    STANDBY_WAITING,   /* no session, nothing that could be activated */
    STANDBY_RECEIVING, /* session, nothing sealed in it yet (or an epoch in place under way) */
    STANDBY_READY,     /* an epoch is sealed and applied */
    STANDBY_SUSPECT,   /* primary silent; the lease is waited for */
    STANDBY_ACTIVATING,
    STANDBY_UNSURE, /* a takeover was interrupted: whether the VM runs here is not known yet */
    STANDBY_ACTIVE,
    STANDBY_FAILED, /* the primary is lost and there is nothing to activate */
};

struct standby {
    struct child child;
    const struct backupd_conf *conf;
    int number; /* of this VM on this host, for `%d` in the network port */
    struct hv *hv;
    struct vmrecord rec;
    enum standby_phase phase;
    char peer[128];

    struct link *link, *newcomer; /* newcomer: connected, its HELLO not yet judged */
    struct hv_replica *replica;
    struct store store;
    bool store_open;
    uint8_t hold;

    struct frameq held;
    struct port *port;
    struct event *port_ev;
    char port_spec[CONF_STR_MAX + 16];
    bool mute; /* the last frame could not leave by the port, nor can the next one */
    uint64_t frames_out, out_dropped, frames_in, in_dropped;
    struct event *announce_ev;
    int announcements; /* still to be repeated */

    struct detector detector;
    struct lease_granted granted;
    struct mono record_at; /* when the last whole record came */
    struct mono deferred;  /* detector.last when a suspicion was put off for unread input */
    struct event *watch_ev, *status_ev, *part_ev, *greet_ev, *idle_ev;
    bool parting;           /* BYE sent: waiting for BYE_ACK, a short while */
    bool ending;            /* the child ends once it has parted */
    bool forced;            /* takeover ordered: no lease is granted any more */
    json_int_t failover_id; /* command waiting for an answer; 0: none */

    struct export *export; /* NULL: none */
    json_int_t export_id;  /* command waiting for its end */
    uint64_t export_epoch;
    char *export_file;

    uint64_t seals, sealed_epoch;
    struct mono sealed_at, rate_at;
    uint64_t rate_seals;
    double rate;
};

/* standby.c */
int standby_main(const char *uuid_text, const struct backupd_conf *conf);
int standby_record(struct standby *s, enum vmrecord_state state, uint64_t generation) MUST_CHECK;
/** Drops replica, staging, frames and network port. */
void standby_drop_replica(struct standby *s);
/** BYE is sent: the link stays open for its acknowledgement, a short while. */
void standby_part(struct standby *s);
void standby_parted(struct standby *s);
/** Ends the child. */
void standby_end(struct standby *s);

/* standby_greet.c */
void standby_newcomer(struct standby *s, int fd);
/** A child that keeps nothing and hears nobody has no reason to be: ends it, after a while. */
void standby_idle(struct standby *s);

/* standby_judge.c */
/** Why a HELLO is not accepted. */
struct refusal {
    uint16_t code; /* 0: none */
    bool vm_here;  /* it runs here, perhaps since this host took it over and lost its record */
    struct err err;
};
/** `why->code` is set, and its text, if HELLO must be refused; it may also look for the VM here. */
void standby_judge(struct standby *s, struct link *link, const struct session_event *ev,
                   struct refusal *why);
/** Pages that a replica may have at most. */
uint64_t standby_memory_max(const struct standby *s);

/* standby_epoch.c */
void standby_record_in(struct standby *s, const struct session_event *ev);
/** The session is over without a goodbye. */
void standby_link_lost(struct standby *s, const char *text);
/** Gives up the right to activate, durably, and tells the primary. */
void standby_release(struct standby *s, uint16_t reason, const char *text);

/* standby_net.c */
int standby_net_open(struct standby *s, struct err *err) MUST_CHECK;
void standby_net_close(struct standby *s);
/** Puts held frames of epochs <= `sealed` on the network. */
void standby_net_release(struct standby *s, uint64_t sealed);
/** Tells the network that the guest's addresses are here now. */
void standby_net_announce(struct standby *s);
/** The same when the guest moves here while it runs at the primary: repeated, for frames get lost.
 */
void standby_net_arrive(struct standby *s);

/* standby_takeover.c */
int standby_watch_init(struct standby *s) MUST_CHECK;
/** The detector's deadline or the lease changed. */
void standby_watch(struct standby *s);
/** standby_watch is called after `ns`, instead of when it would have been. */
void standby_watch_after(struct standby *s, int64_t ns);
void standby_takeover_now(struct standby *s, const char *why);
void standby_force(struct standby *s, json_int_t id);
bool standby_can_activate(const struct standby *s);

/* standby_active.c */
enum standby_vm { STANDBY_VM_HERE, STANDBY_VM_ABSENT, STANDBY_VM_UNKNOWN };
/** Asks the hypervisor. While it cannot tell, the degraded state "hypervisor" says so. */
enum standby_vm standby_look_for_vm(struct standby *s);
/** The look in the phases ACTIVE, every STANDBY_ACTIVE_NS, and UNSURE. */
#define STANDBY_ACTIVE_NS (2 * NS_PER_S)
void standby_watch_active(struct standby *s);

/* standby_export.c */
void standby_export(struct standby *s, const json_t *request, json_int_t id);
/** If one is under way and, unless `id` is 0, if that command asked for it. */
void standby_export_cancel(struct standby *s, json_int_t id, const char *why);
/** New object for the status, null when there is none. */
json_t *standby_export_json(const struct standby *s);

/* standby_status.c */
int standby_status_init(struct standby *s) MUST_CHECK;
void standby_status_send(struct standby *s);

#endif
