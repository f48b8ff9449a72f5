/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_VM_H
#define REMUS_XEN_VM_H

#include "engine/hv/xen/xen_impl.h"

/** A VM under capture, as the files of the primary side share it. */

/** How it is stopped; Xen raises `port` when the domain has suspended. */
struct xen_suspend {
    xenevtchn_handle *xce;
    int port;    /* our end; -1: not open */
    int lock_fd; /* the lock that Xen's tools take for the same channel */
    bool driver; /* the guest listens on it as well: it is also the way to ask */
    bool plain;  /* the guest tells a cancelled suspend by itself: no register needs changing */
    bool late;   /* it was asked, did not suspend in time, and may yet */
};

/** The dirty log. */
struct xen_log {
    xc_hypercall_buffer_t buffer; /* kept: a pause must not allocate */
    size_t buffer_pages;
    xendevicemodel_handle *dmod;
    bool on, fresh;  /* fresh: nothing was fetched yet, all memory counts as dirty */
    uint64_t canary; /* a page that we mark dirty after each fetch: if its mark is missing at the
                        next, somebody else has read or ended the log meanwhile */
};

#define XEN_PARAMS_MAX 16

struct xen_vm {
    struct hv_vm vm;
    struct xen_hv *x;
    uint32_t domid;
    struct uuid uuid;
    uint64_t tot_pages; /* when its memory was mapped */
    struct xen_mem mem;
    struct xen_suspend suspend;
    struct xen_log log;
    size_t context_size; /* of its HVM context */
    struct {
        uint64_t index, value;
    } param[XEN_PARAMS_MAX];
    size_t param_count;
    struct xen_vif vif;
    int nobody;             /* other end of a VM's interface that it has not got */
    struct xs_handle *ends; /* connection of the watch on domains that end */
    int watch;              /* epoll: that and the event channel */
};

static inline struct xen_vm *xen_vm_of(struct hv_vm *vm)
{
    return (struct xen_vm *)vm;
}

/* ---- xen_suspend.c ---- */

int xen_suspend_open(struct xen_vm *v, struct err *err) MUST_CHECK;
void xen_suspend_close(struct xen_vm *v);
/** Reads events away; the domain's state says what they meant. */
void xen_suspend_drain(struct xen_vm *v);

/* ---- xen_log.c ---- */

int xen_log_open(struct xen_vm *v, struct err *err) MUST_CHECK;
void xen_log_close(struct xen_vm *v);

/* ---- xen_state.c ---- */

/** What does not change while it runs. */
int xen_state_open(struct xen_vm *v, struct err *err) MUST_CHECK;

/* ---- xen_watch.c ---- */

int xen_watch_open(struct xen_vm *v, struct err *err) MUST_CHECK;
void xen_watch_close(struct xen_vm *v);

#endif
