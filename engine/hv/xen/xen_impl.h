/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_IMPL_H
#define REMUS_XEN_IMPL_H

#include <net/if.h>

#include "engine/hv/hv_impl.h"
#include "engine/hv/xen/format/xen_rec.h"
#include "engine/hv/xen/xen_compat.h"

/** Inside of the xen backend only. Functions return -1 with errno and `err` unless they say. */

#define XEN_PATH_MAX 256

struct xen_replica;

/** The libraries' handles; one set per process, never used after fork. */
struct xen_hv {
    struct hv hv;
    xentoollog_logger *log;
    xc_interface *xch;
    xenforeignmemory_handle *fmem;
    struct xs_handle *xs;
    libxl_ctx *ctx;
    struct xen_replica *settled; /* activated: what is left of it is cleared away at the next find,
                                    because the guest needs the CPU more just then */
};

extern const struct hv_ops hv_xen_ops;

/* ---- xen_open.c: the libraries' handles ---- */

/** All of them, and tries whether Xen obeys. -1 tells apart why not; none is left open then. */
int xen_handles_open(struct xen_hv *x, struct err *err) MUST_CHECK;
void xen_handles_close(struct xen_hv *x);

/* ---- xen_dom.c: domains and xenstore ---- */

/** The domain with this handle that is not dying; replicas only when asked for. ENOENT. */
enum xen_who { XEN_VMS, XEN_REPLICAS, XEN_ANY };
int xen_dom_by_uuid(const struct xen_hv *x, const struct uuid *uuid, enum xen_who who,
                    xc_domaininfo_t *ret) MUST_CHECK;

/**
 * `info` of domain `domid`, of this UUID and not dying. -1 with errno, `err` untouched: ESRCH,
 * there is none; anything else: Xen does not tell.
 */
int xen_dom_info(const struct xen_hv *x, uint32_t domid, const struct uuid *uuid,
                 xc_domaininfo_t *ret) MUST_CHECK;
/** The same, of one that is dying as well: our mappings of its memory keep it until they go. */
int xen_dom_last(const struct xen_hv *x, uint32_t domid, const struct uuid *uuid,
                 xc_domaininfo_t *ret) MUST_CHECK;

/** By UUID text or name, as hv.h's find. */
int xen_dom_find(const struct xen_hv *x, const char *which, xc_domaininfo_t *ret,
                 struct err *err) MUST_CHECK;

bool xen_dom_suspended(const xc_domaininfo_t *info);

/** Name of a replica while it is one. */
void xen_replica_name(const struct uuid *uuid, char name[HV_NAME_MAX]);

/** xenstore: the caller's to free, NULL when absent. */
char *xen_xs_read(const struct xen_hv *x, const char *fmt, ...) PRINTF_LIKE(2, 3);
/** Whether a directory has entries. */
bool xen_xs_any(const struct xen_hv *x, const char *fmt, ...) PRINTF_LIKE(2, 3);
int xen_xs_write(const struct xen_hv *x, const char *path, const char *value) MUST_CHECK;

/* ---- xen_refuse.c ---- */

/** Fills `why` (ERR_TEXT_MAX) when the domain cannot be protected; empties it when it can. */
void xen_refuse(const struct xen_hv *x, const xc_domaininfo_t *info, char *why);

/** The part of it about devices: false when they are no reason. */
bool xen_refuse_devices(const struct xen_hv *x, uint32_t domid, char *why);
/** Names of its devices, to be compared; the caller's to free, NULL without memory. */
char *xen_devices(const struct xen_hv *x, uint32_t domid);

/* ---- xen_log_owner.c: whose the dirty log is ---- */

/** Says in xenstore that the log is ours, and has page `canary` marked. */
int xen_log_sign(const struct xen_hv *x, uint32_t domid, uint64_t canary) MUST_CHECK;
void xen_log_unsign(const struct xen_hv *x, uint32_t domid);
/** An agent of ours has switched the domain's dirty log on, and nobody has taken it over. */
bool xen_log_ours(const struct xen_hv *x, uint32_t domid);
/** Whether it is on, whoever has it. Costs whoever has it some pages that count as written. */
bool xen_log_is_on(const struct xen_hv *x, uint32_t domid);

/* ---- xen_mem.c: a domain's memory, mapped ---- */

/** A domain's memory, mapped: page p is at base + p * HV_PAGE_SIZE when `ram` has it; all else
 * there is not accessible. */
struct xen_mem {
    uint8_t *base;
    uint64_t pages;
    int prot;
    struct bitmap ram;
};

int xen_mem_init(struct xen_mem *m, uint64_t pages, int prot, struct err *err) MUST_CHECK;
void xen_mem_free(struct xen_mem *m);
int xen_mem_map(const struct xen_hv *x, uint32_t domid, struct xen_mem *m, uint64_t first,
                uint64_t count, struct err *err) MUST_CHECK;
/** Maps what the domain has. Pages mapped before are mapped anew. */
int xen_mem_map_all(const struct xen_hv *x, uint32_t domid, struct xen_mem *m,
                    struct err *err) MUST_CHECK;
/** Maps one page that may have become memory since. */
int xen_mem_map_new(const struct xen_hv *x, uint32_t domid, struct xen_mem *m, uint64_t pfn,
                    struct err *err) MUST_CHECK;

/** As hv.h's copy: what is no memory reads as zeroes. EINVAL: there is no such page. */
int xen_mem_copy(const struct xen_mem *m, const uint64_t *pfn, size_t n, void *dst,
                 struct err *err) MUST_CHECK;

/* ---- xen_net.c: the guest's interface in dom0 ---- */

struct xen_vif {
    char name[IFNAMSIZ];        /* empty: the VM has none */
    char backend[XEN_PATH_MAX]; /* its xenstore path */
};

/** How many interfaces the domain has; the first of them in *ret. */
unsigned xen_vif_find(const struct xen_hv *x, uint32_t domid, struct xen_vif *ret);
/** The bridge that the interface belongs to, whether or not it is there now. False: none. */
bool xen_vif_bridge(const struct xen_hv *x, const struct xen_vif *vif, char bridge[IFNAMSIZ]);
/** The guest's MAC; all zero when there is none. */
void xen_vif_mac(const struct xen_hv *x, const struct xen_vif *vif, uint8_t mac[6]);
/** Off its bridge, which is remembered; *ret_fd carries its frames. */
int xen_vif_take(const struct xen_hv *x, const struct xen_vif *vif, int *ret_fd,
                 struct err *err) MUST_CHECK;
int xen_vif_give(const struct xen_hv *x, const struct xen_vif *vif, struct err *err) MUST_CHECK;
/** The bridge that port `spec` is, or is a member of. */
int xen_vif_lead(const char *spec, char bridge[IFNAMSIZ], struct err *err) MUST_CHECK;

/* ---- xen_job.c: libxl in a process of its own ---- */

/** Runs in the child; its result is the exit status. Only `fd` (-1: none) and stdio are open. */
typedef int (*xen_job_fn)(libxl_ctx *ctx, int fd, void *arg);

struct xen_job {
    pid_t pid;
    int pidfd;
};

/** `fd` stays the caller's. */
int xen_job_start(struct xen_job *job, const struct xen_hv *x, xen_job_fn fn, int fd,
                  void *arg) MUST_CHECK;
/** Whether it has ended by itself within `timeout_ms`. */
bool xen_job_ended(const struct xen_job *job, int timeout_ms);
/** Ends it if it runs, forgets it, and returns its exit status (-1: a signal). */
int xen_job_finish(struct xen_job *job);

/** Destroys the domain and waits until it is gone. */
int xen_dom_destroy(const struct xen_hv *x, uint32_t domid, const struct uuid *uuid,
                    struct err *err) MUST_CHECK;

/* ---- the operations, by side ---- */

int xen_attach(struct hv *hv, const struct uuid *uuid, enum hv_suspend suspend, struct hv_vm **ret,
               struct err *err);
const struct hv_suspend_now *xen_suspend_now(struct hv_vm *vm);
const char *xen_unfit(struct hv_vm *vm);
bool xen_rested(struct hv_vm *vm);
bool xen_settled(struct hv_vm *vm);
int xen_describe(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len, struct err *err);
int xen_log_start(struct hv_vm *vm, struct err *err);
int xen_stop(struct hv_vm *vm, int timeout_ms, struct err *err);
int xen_fetch_dirty(struct hv_vm *vm, struct bitmap *dirty, struct err *err);
int xen_copy(struct hv_vm *vm, const uint64_t *pfn, size_t n, void *dst, struct err *err);
int xen_save_state(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len, struct err *err);
int xen_resume(struct hv_vm *vm, struct err *err);
int xen_net_take(struct hv_vm *vm, int *ret_fd, struct err *err);
int xen_net_give(struct hv_vm *vm, struct err *err);
int xen_watch_fd(struct hv_vm *vm);
enum hv_gone xen_gone(struct hv_vm *vm);
void xen_end(struct hv_vm *vm);
int xen_destroy(struct hv_vm *vm, struct err *err);

int xen_reap(struct hv *hv, const struct uuid *uuid, struct err *err);
int xen_replica_size(struct hv *hv, const void *desc, size_t len, struct hv_size *ret,
                     struct err *err);
int xen_replica_create(struct hv *hv, const void *desc, size_t len, struct hv_replica **ret,
                       struct err *err);
uint64_t xen_replica_pages(const struct hv_replica *r);
uint64_t xen_replica_memory(const struct hv_replica *r);
const void *xen_replica_page(struct hv_replica *r, uint64_t pfn);
int xen_replica_write(struct hv_replica *r, const uint64_t *pfn, const void *const *page, size_t n,
                      struct err *err);
int xen_replica_set_state(struct hv_replica *r, const void *state, size_t len, struct err *err);
int xen_file_part(struct hv_replica *r, enum hv_file_part part, const uint64_t *pfn, size_t n,
                  void *buf, size_t cap, size_t *ret_len, struct err *err);
int xen_activate(struct hv_replica *r, const char *net, struct err *err);
void xen_discard(struct hv_replica *r);

#endif
