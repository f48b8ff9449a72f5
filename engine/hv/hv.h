/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_HV_H
#define REMUS_HV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/bitmap.h"
#include "engine/base/compiler.h"
#include "engine/base/err.h"
#include "engine/base/uuid.h"

/**
 * The hypervisor contract. The engine calls only the hv_* wrappers below; they check the contract
 * on both sides (state before, result after) and then call the backend's table. A backend
 * implements every operation; none may be NULL.
 *
 * Errors: -1, errno and `err` (never NULL at a backend). Final errors, after which the VM or
 * replica handle can only be closed: ESRCH (the VM is gone), EIO (its state is unknown). Anything
 * else left the VM as it was. Nothing here is thread-safe; a handle belongs to one process and does
 * not survive fork.
 */

#define HV_PAGE_SIZE 4096
#define HV_NAME_MAX  64
#define HV_NET_MAX   256
#define HV_STATE_MAX (1u << 20) /* CPU and device state of one VM */
#define HV_DESC_MAX  65536      /* description of one VM */

/* Of a VM as a file: the most pages in one piece, and room that is enough for any piece. */
#define HV_FILE_PAGES 256
#define HV_FILE_MAX   (HV_STATE_MAX + 4 * HV_DESC_MAX)

struct hv_info {
    struct uuid uuid;
    char name[HV_NAME_MAX];
    uint64_t pages; /* highest page frame + 1 */
    uint32_t vcpus;
    bool running;
    char net[HV_NET_MAX]; /* port spec (engine/net/port.h) of the network its interface is on */
    uint8_t mac[6];       /* of its interface; all zero: it has none */
};

/** How large a replica is. */
struct hv_size {
    uint64_t pages;  /* highest page frame + 1 */
    uint64_t memory; /* pages of it that are memory; the rest are holes */
};

/** How a VM is to be stopped for an epoch. */
enum hv_suspend {
    HV_SUSPEND_AUTO, /* by the driver in the guest while it works, else as its kernel does it */
    HV_SUSPEND_COOPERATIVE, /* as the guest's kernel does it: no driver is used */
    HV_SUSPEND_DRIVER,      /* as AUTO, but a VM without a driver that can be used is refused */
};

#define HV_VERSION_MAX 32

/** How a VM is stopped at present. */
struct hv_suspend_now {
    bool driver;
    char version[HV_VERSION_MAX]; /* of the driver; empty: none is used */
    char why[ERR_TEXT_MAX];       /* why the driver is not used; empty when it is */
    bool failed;                  /* there is a driver, but it had to be given up */
};

struct hv;         /* an open backend */
struct hv_vm;      /* a VM under capture (primary side) */
struct hv_replica; /* a paused copy being kept (backup side) */

/** Of a file that the hypervisor's own tools start the VM from: a head, pages, a tail. */
enum hv_file_part { HV_FILE_HEAD, HV_FILE_MEMORY, HV_FILE_TAIL };

/** How a VM ended, from hv_vm_gone. */
enum hv_gone {
    HV_ALIVE,
    HV_SHUTDOWN, /* the guest powered off, by itself or on request, or is started anew here: no
                    failover is wanted */
    HV_CRASHED,  /* it vanished or crashed: the last sealed epoch is worth resuming */
};

struct hv_ops {
    const char *name;

    /** `conf` is backend-specific (sim: the run directory). */
    int (*open)(const char *conf, struct hv **ret, struct err *err);
    void (*close)(struct hv *hv);

    /** By UUID text or name. ENOENT when there is none, EEXIST when a name is ambiguous. */
    int (*find)(struct hv *hv, const char *which, struct hv_info *ret, struct err *err);

    /**
     * Whether the VM of this UUID can be protected. EPERM: it cannot, and `err` says why; anything
     * else: that is not known. Asks the hypervisor for much more than find does.
     */
    int (*may_protect)(struct hv *hv, const struct uuid *uuid, struct err *err);

    /* ---- primary side: attach, log_start, {stop, fetch_dirty, copy, save_state, resume}*, end
     * ---- */

    /**
     * Opens the VM and maps its memory; it keeps running. ENOTSUP: `suspend` is HV_SUSPEND_DRIVER,
     * and there is none that can be used.
     */
    int (*attach)(struct hv *hv, const struct uuid *uuid, enum hv_suspend suspend,
                  struct hv_vm **ret, struct err *err);

    /** Good until the next call; changes at stop and at gone. */
    const struct hv_suspend_now *(*suspend_now)(struct hv_vm *vm);

    /**
     * Why a failover would not resume this VM as it is: it was given a device, say, since it was
     * described. Empty while it would. Good until the next call; changes at gone.
     */
    const char *(*unfit)(struct hv_vm *vm);

    /**
     * Whether the VM has got over its last stop, so that asking it for another does not put it
     * further behind than it is. True when that cannot be told; never false for long.
     */
    bool (*rested)(struct hv_vm *vm);

    /**
     * Asked before `end`, VM running: whether no stop is owed any more that was asked and given up
     * on. What the VM has not taken of it is taken back. False: it may yet stop, and `gone` lets it
     * run again when it does; who ends capture before leaves it stopped for good. Never false for
     * much longer than a minute. No other stop may be asked from then on.
     */
    bool (*settled)(struct hv_vm *vm);

    /** What replica_create needs to build an equal VM, at most HV_DESC_MAX bytes; VM running. */
    int (*describe)(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len, struct err *err);

    /** Every page counts as dirty from here on until fetched. EBUSY: someone else is logging. */
    int (*log_start)(struct hv_vm *vm, struct err *err);

    /**
     * Stops the VM within `timeout_ms`, so that memory and state stand still. ETIMEDOUT: it could
     * not be stopped and runs on. No allocation, no logging.
     */
    int (*stop)(struct hv_vm *vm, int timeout_ms, struct err *err);

    /**
     * Adds the dirty set to `dirty` and resets it. Legal while running (live copy) and while
     * stopped (epoch): then `dirty` was cleared before, for that takes its time. ESTALE: logging
     * was lost, everything must be sent again.
     */
    int (*fetch_dirty)(struct hv_vm *vm, struct bitmap *dirty, struct err *err);

    /**
     * Copies `n` pages to dst[n * HV_PAGE_SIZE]. Running: each page may be torn and is then dirty
     * again. A page that is a hole reads as zeroes.
     */
    int (*copy)(struct hv_vm *vm, const uint64_t *pfn, size_t n, void *dst, struct err *err);

    /** CPU and device state; stopped only. ENOBUFS with *ret_len when `cap` is short. */
    int (*save_state)(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len, struct err *err);

    /**
     * ECANCELED: it runs, but somebody else had resumed it before, so that what was read of it
     * since the stop is not of one moment.
     */
    int (*resume)(struct hv_vm *vm, struct err *err);

    /**
     * Takes the guest's network interface off its network: from here on its frames come and go only
     * through the returned port descriptor (engine/net/port.h), the caller's to close. Legal
     * running or stopped. When the descriptor is closed without net_give the guest is left without
     * network.
     */
    int (*net_take)(struct hv_vm *vm, int *ret_fd, struct err *err);

    /** Puts the interface back on its own network. */
    int (*net_give)(struct hv_vm *vm, struct err *err);

    /** Becomes readable when the VM may be gone: then ask `gone`. -1 when the backend must be
     * polled. */
    int (*watch_fd)(struct hv_vm *vm);
    enum hv_gone (*gone)(struct hv_vm *vm);

    /** Ends capture: log-dirty off, handle freed. The VM is left running or stopped, as it is. */
    void (*end)(struct hv_vm *vm);

    /** Destroys the VM (stale copy after a failover) and frees the handle. Success when it is gone.
     */
    int (*destroy)(struct hv_vm *vm, struct err *err);

    /* ---- backup side: reap, replica_create, {write, set_state}*, activate or discard ---- */

    /** What replica_create would make of this description. EINVAL: nothing. */
    int (*replica_size)(struct hv *hv, const void *desc, size_t len, struct hv_size *ret,
                        struct err *err);

    /** Destroys half-built or paused replicas of `uuid` left by a crash; never an activated VM. */
    int (*reap)(struct hv *hv, const struct uuid *uuid, struct err *err);

    /** Builds a paused copy with zeroed memory. EEXIST: a VM with this UUID runs here. */
    int (*replica_create)(struct hv *hv, const void *desc, size_t len, struct hv_replica **ret,
                          struct err *err);

    /** Pages of the replica: highest page frame + 1. */
    uint64_t (*replica_pages)(const struct hv_replica *r);

    /** Pages of it that are memory here; the rest are holes, until one is written to. */
    uint64_t (*replica_memory)(const struct hv_replica *r);

    /** The page as it is now, valid until the next write; NULL for a page out of range. */
    const void *(*replica_page)(struct hv_replica *r, uint64_t pfn);

    /** Writes `n` whole pages. EINVAL, by the wrapper: one is out of range, and none is written. */
    int (*replica_write)(struct hv_replica *r, const uint64_t *pfn, const void *const *page,
                         size_t n, struct err *err);

    /** Keeps the state that goes with the memory, for activation. `state` is copied. */
    int (*replica_set_state)(struct hv_replica *r, const void *state, size_t len, struct err *err);

    /**
     * Writes a piece of a file that the hypervisor's own tools start the VM from: the part before
     * memory; `n` pages as they are now, at most HV_FILE_PAGES (in any order, each once; a hole
     * adds no octets); the part behind memory, with the state kept last. ENOBUFS when `cap` is
     * short, which HV_FILE_MAX never is. EOPNOTSUPP: this backend has no such file.
     */
    int (*file_part)(struct hv_replica *r, enum hv_file_part part, const uint64_t *pfn, size_t n,
                     void *buf, size_t cap, size_t *ret_len, struct err *err);

    /**
     * Makes the replica the VM: state loaded, network interface on port `net` (a spec of
     * engine/net/port.h; NULL: as described), running. The handle is freed on success; on failure
     * it stays and the VM does not run. ESRCH: the replica was lost, and can only be discarded.
     */
    int (*activate)(struct hv_replica *r, const char *net, struct err *err);

    /** Destroys the replica and frees the handle. */
    void (*discard)(struct hv_replica *r);
};

/** The backend called `name` ("sim", "xen"), or NULL when this build has none of that name. */
const struct hv_ops *hv_backend(const char *name);

int hv_open(const char *backend, const char *conf, struct hv **ret, struct err *err) MUST_CHECK;
void hv_close(struct hv *hv);
int hv_find(struct hv *hv, const char *which, struct hv_info *ret, struct err *err) MUST_CHECK;
/** 0: no VM of this UUID is here. EEXIST: one is; anything else: that is not known. */
int hv_check_absent(struct hv *hv, const struct uuid *uuid, struct err *err) MUST_CHECK;
int hv_may_protect(struct hv *hv, const struct uuid *uuid, struct err *err) MUST_CHECK;

int hv_attach(struct hv *hv, const struct uuid *uuid, enum hv_suspend suspend, struct hv_vm **ret,
              struct err *err) MUST_CHECK;
const struct hv_suspend_now *hv_suspend_now(struct hv_vm *vm);
const char *hv_vm_unfit(struct hv_vm *vm);
bool hv_rested(struct hv_vm *vm);
bool hv_settled(struct hv_vm *vm);
int hv_describe(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len,
                struct err *err) MUST_CHECK;
int hv_log_start(struct hv_vm *vm, struct err *err) MUST_CHECK;
int hv_stop(struct hv_vm *vm, int timeout_ms, struct err *err) MUST_CHECK;
int hv_fetch_dirty(struct hv_vm *vm, struct bitmap *dirty, struct err *err) MUST_CHECK;
int hv_copy(struct hv_vm *vm, const uint64_t *pfn, size_t n, void *dst, struct err *err) MUST_CHECK;
int hv_save_state(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len,
                  struct err *err) MUST_CHECK;
int hv_resume(struct hv_vm *vm, struct err *err) MUST_CHECK;
bool hv_stopped(const struct hv_vm *vm);
/** The dirty log is on: log_start was called, and fetch_dirty has not said ESTALE since. */
bool hv_logging(const struct hv_vm *vm);
/**
 * `fn` is called now and then while hv_stop waits for a guest that takes its time (a stock Linux
 * kernel: for milliseconds to seconds). The guest still runs, or has stopped just then: it must be
 * short, and leave `vm` alone.
 */
void hv_on_waiting(struct hv_vm *vm, void (*fn)(void *arg), void *arg);
int hv_net_take(struct hv_vm *vm, int *ret_fd, struct err *err) MUST_CHECK;
int hv_net_give(struct hv_vm *vm, struct err *err) MUST_CHECK;
int hv_watch_fd(struct hv_vm *vm);
enum hv_gone hv_vm_gone(struct hv_vm *vm);
void hv_end(struct hv_vm *vm);
int hv_destroy(struct hv_vm *vm, struct err *err) MUST_CHECK;

int hv_reap(struct hv *hv, const struct uuid *uuid, struct err *err) MUST_CHECK;
int hv_replica_size(struct hv *hv, const void *desc, size_t len, struct hv_size *ret,
                    struct err *err) MUST_CHECK;
int hv_replica_create(struct hv *hv, const void *desc, size_t len, struct hv_replica **ret,
                      struct err *err) MUST_CHECK;
uint64_t hv_replica_pages(const struct hv_replica *r);
uint64_t hv_replica_memory(const struct hv_replica *r);
const void *hv_replica_page(struct hv_replica *r, uint64_t pfn);
int hv_replica_write(struct hv_replica *r, const uint64_t *pfn, const void *const *page, size_t n,
                     struct err *err) MUST_CHECK;
int hv_replica_set_state(struct hv_replica *r, const void *state, size_t len,
                         struct err *err) MUST_CHECK;
int hv_file_part(struct hv_replica *r, enum hv_file_part part, const uint64_t *pfn, size_t n,
                 void *buf, size_t cap, size_t *ret_len, struct err *err) MUST_CHECK;
int hv_activate(struct hv_replica *r, const char *net, struct err *err) MUST_CHECK;
void hv_discard(struct hv_replica *r);

#endif
