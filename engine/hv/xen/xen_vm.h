/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_VM_H
#define REMUS_XEN_VM_H

#include "engine/base/mono.h"
#include "engine/hv/xen/xen_impl.h"

/** A VM under capture, as the files of the primary side share it. */

/** How well a driver answers: one that does not is given up, and tried again now and then. */
struct xen_trust {
    struct mono asked; /* or since it can answer */
    unsigned missed;   /* stops that the request has not been answered in */
    unsigned failures; /* requests in a row that the driver has not obeyed in time */
    bool given_up, on_trial;
    struct mono since, again; /* it is used; it is tried again */
    int64_t pause_s;          /* before that */
};

/** How it is stopped; Xen raises `port` when the domain has suspended. */
struct xen_suspend {
    enum hv_suspend wanted;
    struct hv_suspend_now now; /* with the driver `port` is also the way to ask */
    xenevtchn_handle *xce;
    int port;            /* our end; -1: not open */
    uint32_t guest_port; /* its other end, in the guest */
    uint32_t own_port;   /* the other end of the channel that no driver has */
    int lock_fd;         /* the lock that Xen's tools take for the same purpose */
    bool masked;         /* an event was taken, and no other is wanted yet */
    bool fresh;          /* the first event of a channel, raised by Xen itself, has yet to come */
    bool watched;        /* a request to the kernel, by anybody, would be noticed */
    bool plain;          /* the driver tells a cancelled suspend by itself */
    bool late;           /* it was asked, has not suspended, and may yet */
    struct mono late_until;
    bool paused;    /* when last looked at: it cannot answer */
    bool refuses;   /* the driver says so when it does not suspend */
    bool refused;   /* its last request, or so an event was taken */
    bool by_driver; /* the driver was asked since the last resume */
    struct xen_trust trust;
    struct hv_suspend_now before; /* told while the driver is on trial */
    bool changed; /* what the driver says of itself; to be reviewed while nothing is asked */
    struct mono reviewed;
    struct mono kernel_until; /* until then the kernel may obey an earlier request, or another's */
    unsigned driver_events,
        shutdown_events;    /* of the watches on device/suspend, control/shutdown */
    struct mono idle_since; /* events without a meaning, per second */
    unsigned idle_events;
    bool storm_told, contradiction_told;
};

/** The dirty log. */
struct xen_log {
    xc_hypercall_buffer_t buffer; /* kept: a pause must not allocate */
    size_t buffer_pages;
    xendevicemodel_handle *dmod;
    bool on, fresh; /* fresh: nothing was fetched yet, all memory counts as dirty */
    bool theirs;    /* another tool had it when we looked: what it does with the VM is its affair */
    uint64_t canary; /* a page that we mark dirty after each fetch: if its mark is missing at the
                        next, somebody else has read or ended the log meanwhile */
};

/** Whether a failover would resume it as it is. */
struct xen_fitness {
    char *described; /* its devices when it was described; NULL: not yet */
    bool changed;    /* somebody in dom0 has written there; to be looked at */
    struct mono looked;
    char why[ERR_TEXT_MAX]; /* not; empty: it would */
};

/** Whether a stock kernel has got over its last suspend. */
struct xen_rest {
    bool counting;
    uint32_t mark; /* in its xenstore ring: what it asked before is counted */
    unsigned owed; /* looks at control/shutdown that are still to come */
    bool behind;   /* there were many; it gets the time for all of them */
    struct mono since;
    unsigned unseen; /* times in a row that it did not look in time */
};

#define XEN_PARAMS_MAX 16

struct xen_vm {
    struct hv_vm vm;
    struct xen_hv *x;
    uint32_t domid;
    struct uuid uuid;
    uint64_t tot_pages;  /* when its memory was mapped */
    uint64_t last_pages; /* when it was last stopped */
    struct xen_mem mem;
    struct xen_suspend suspend;
    struct xen_rest rest;
    struct xen_log log;
    xc_hypercall_buffer_t context; /* its HVM context; kept: a pause must not allocate */
    size_t context_size;
    struct {
        uint64_t index, value;
    } param[XEN_PARAMS_MAX];
    size_t param_count;
    struct xen_vif vif;
    struct xen_fitness fitness;
    libxl_action_on_shutdown on_crash, on_watchdog; /* as it was described: what xl does then */
    int nobody;             /* other end of a VM's interface that it has not got */
    struct xs_handle *ends; /* connection of the watches */
    int watch;              /* epoll: that and the event channel */
};

static inline struct xen_vm *xen_vm_of(struct hv_vm *vm)
{
    return (struct xen_vm *)vm;
}

/* ---- xen_suspend_port.c: the channel, and by whom it is answered ---- */

/** The watch is open. */
int xen_suspend_open(struct xen_vm *v, enum hv_suspend suspend, struct err *err) MUST_CHECK;
void xen_suspend_close(struct xen_vm *v);
/** Whether Xen tells us that the VM has suspended; it tells others only when it does not. */
void xen_suspend_subscribe(const struct xen_vm *v, bool us);
/** Goes by what the driver now says of itself; VM running, nothing asked. */
void xen_suspend_review(struct xen_vm *v);
/** The kernel is asked from now on; `failed`: although there is a driver. `why` is a literal. */
void xen_suspend_use_kernel(struct xen_vm *v, bool failed, const char *why);
/** The channel to the driver, which is in use, is closed: what it has not obeyed by then it will
 * not, but for what it was just about to. */
void xen_suspend_hang_up(struct xen_vm *v);
/** The node of xenstore with what the guest's kernel is asked and has not taken: as the guest calls
 * it, and whole. */
#define XEN_NODE_SHUTDOWN "control/shutdown"
void xen_shutdown_path(const struct xen_vm *v, char path[XEN_PATH_MAX]);
/** The driver is in use, and has closed its end. */
bool xen_suspend_hung_up(const struct xen_vm *v);

/* ---- xen_suspend_event.c: what comes on the channel ---- */

/** Takes its event, if one comes within `ms`; there is no other until `xen_suspend_listen`. */
bool xen_suspend_event(struct xen_suspend *s, int ms);
void xen_suspend_listen(struct xen_suspend *s);
void xen_suspend_forget_events(struct xen_suspend *s);
/** The VM has suspended, and nothing is asked: if its driver was said to have refused that, its
 * events are no refusals. */
void xen_suspend_after_all(struct xen_vm *v);
/** Takes an event that came while nothing was asked, if there is one. */
void xen_suspend_idle_event(struct xen_vm *v);

/* ---- xen_suspend_ask.c: what the guest is asked ---- */

/** Somebody has asked the guest's kernel to suspend. */
void xen_suspend_kernel_asked(struct xen_vm *v);
/** 1: asked; 0: not yet, another tool's request comes first, which ours would make unseen; -1. */
int xen_suspend_ask(struct xen_vm *v) MUST_CHECK;
/** What was asked before may be obeyed only now; but a kernel that could not freeze a task has
 * forgotten it. */
bool xen_suspend_late(const struct xen_vm *v);
/** The same, before another request. */
bool xen_suspend_asked(struct xen_vm *v);
/** True when the guest had not seen the request and will not see it any more. */
bool xen_suspend_take_back(struct xen_vm *v);

/* ---- xen_suspend_trust.c: whether the driver does what it is asked ---- */

/** A request to it was made; a stop is over and it has suspended, or has not. */
void xen_suspend_driver_asked(struct xen_vm *v);
void xen_suspend_driver_obeyed(struct xen_vm *v);
void xen_suspend_driver_failed(struct xen_vm *v);
/** Tries one again that was given up, if it is time; VM running, nothing asked. */
void xen_suspend_try_again(struct xen_vm *v);

/* ---- xen_suspend.c ---- */

/** GONE: errno=ESRCH. UNKNOWN: Xen does not tell. */
enum xen_answer { XEN_GONE = -1, XEN_NOT_YET, XEN_SUSPENDED, XEN_REFUSED, XEN_UNKNOWN };
enum xen_answer xen_suspend_look(struct xen_vm *v);

/* ---- xen_rest.c ---- */

/** It has stopped as it was asked to. */
void xen_rest_stopped(struct xen_vm *v);
void xen_rest_resumed(struct xen_vm *v);

/* ---- xen_log.c ---- */

int xen_log_open(struct xen_vm *v, struct err *err) MUST_CHECK;
void xen_log_close(struct xen_vm *v);

/* ---- xen_state.c ---- */

/** What does not change while it runs. */
int xen_state_open(struct xen_vm *v, struct err *err) MUST_CHECK;
void xen_state_close(struct xen_vm *v);

/* ---- xen_fitness.c ---- */

/** It is about to be described with the devices that it has now. */
void xen_fitness_described(struct xen_vm *v);
/** Looks at its devices if they may have changed; VM running. */
void xen_fitness_review(struct xen_vm *v);
void xen_fitness_close(struct xen_vm *v);

/* ---- xen_watch.c ---- */

/** Tokens of the watches. */
#define XEN_WATCH_END      "end"
#define XEN_WATCH_DRIVER   "driver"
#define XEN_WATCH_SHUTDOWN "shutdown"
#define XEN_WATCH_DEVICES  "devices"

int xen_watch_open(struct xen_vm *v, struct err *err) MUST_CHECK;
void xen_watch_close(struct xen_vm *v);
/** Has `fd` wake the VM's watch, too. */
int xen_watch_add(struct xen_vm *v, int fd) MUST_CHECK;
/** Takes what xenstore has to tell. */
void xen_watch_drain(struct xen_vm *v);

#endif
