/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIM_IMPL_H
#define REMUS_SIM_IMPL_H

#include "engine/hv/hv_impl.h"
#include "engine/hv/sim/sim_proto.h"

/** Inside of the sim backend only. */

#define SIM_FILE_MAX 64
/* One VM named by its UUID: it is there or it is not, and "slow" is neither. */
#define SIM_ASK_MS     2000
#define SIM_FIND_MS    100   /* a VM that does not answer is passed over by a scan */
#define SIM_REPLY_MS   5000  /* for all but stopping, which has its own time */
#define SIM_START_MS   10000 /* a new process reports */
#define SIM_DESTROY_MS 1000  /* a VM told to exit; then it is killed */
#define SIM_KILL_MS    10000 /* a killed one frees its memory first */

struct sim_hv {
    struct hv hv;
    int dir_fd;
};

/** A control connection. After EOF every call fails with ESRCH. */
struct sim_conn {
    int fd;
    uint32_t id;
    bool eof, shutdown;
    pid_t pid;                 /* of a socketpair's other end: 0 until attached */
    struct sim_shared *shared; /* NULL until attached */
    uint8_t buf[SIM_PAYLOAD_MAX];
};

struct sim_call {
    enum sim_op op;
    const void *payload;
    size_t len;
    const int *fd; /* descriptor to pass, NULL: none */
    int timeout_ms;
    /* results: payload in conn->buf; descriptors are the caller's */
    size_t ret_len;
    int ret_fds[SIM_FDS_MAX];
    size_t ret_nfds;
};

/** -1 with errno. */
int sim_conn_open(struct sim_conn *c, int dir_fd, const char *file) MUST_CHECK;
void sim_conn_init(struct sim_conn *c, int fd);
void sim_conn_close(struct sim_conn *c);

/**
 * Request and reply. ETIMEDOUT: no reply in time (a late one is skipped later). ESRCH: the VM is
 * gone. EIO: it does not keep to the protocol. Else what the VM answered.
 */
int sim_conn_call(struct sim_conn *c, struct sim_call *call, struct err *err) MUST_CHECK;

/** A call without payload whose failure to answer leaves the VM's state unknown: EIO. */
int sim_conn_order(struct sim_conn *c, enum sim_op op, struct err *err) MUST_CHECK;

/** Sends a request that is not replied to. */
int sim_conn_post(struct sim_conn *c, enum sim_op op) MUST_CHECK;

/** Waits for a notice and returns its rc, text in err; -1 with errno. */
int sim_conn_await_ready(struct sim_conn *c, int timeout_ms, struct err *err) MUST_CHECK;

/** Reads what came by itself: sets eof and shutdown. */
void sim_conn_drain(struct sim_conn *c);

/** Makes the process at the other end exit, by signal if need be, and waits until it has. */
int sim_conn_destroy(struct sim_conn *c, struct err *err) MUST_CHECK;

/** Asks for *ret; a reply of another form is EIO. */
int sim_conn_info(struct sim_conn *c, int timeout_ms, struct sim_info *ret,
                  struct err *err) MUST_CHECK;

/** Memory and dirty log of an attached VM. */
struct sim_map {
    int mem_fd;
    uint8_t *mem;
    uint64_t pages;
    struct sim_shared *shared;
    uint64_t *log;
    size_t log_size;
};

/** Attaches and maps, memory read-only or writable. Sets c->shared; *ret_info may be NULL. */
int sim_map_open(struct sim_map *m, struct sim_conn *c, bool writable, struct sim_info *ret_info,
                 struct err *err) MUST_CHECK;
void sim_map_close(struct sim_map *m);

/**
 * Starts `remus-simvm --replica` with `options` in DIR; returns this end of its control connection,
 * -1 with `err`. The process is nobody's child and outlives this one unless it is a replica still.
 */
int sim_spawn_replica(const struct sim_hv *hv, char *const *options, struct err *err) MUST_CHECK;

/* The operations, by side. */
int sim_attach(struct hv *hv, const struct uuid *uuid, enum hv_suspend suspend, struct hv_vm **ret,
               struct err *err);
const struct hv_suspend_now *sim_suspend_now(struct hv_vm *vm);
const char *sim_unfit(struct hv_vm *vm);
bool sim_rested(struct hv_vm *vm);
bool sim_settled(struct hv_vm *vm);
int sim_describe(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len, struct err *err);
int sim_log_start(struct hv_vm *vm, struct err *err);
int sim_stop(struct hv_vm *vm, int timeout_ms, struct err *err);
int sim_fetch_dirty(struct hv_vm *vm, struct bitmap *dirty, struct err *err);
int sim_copy(struct hv_vm *vm, const uint64_t *pfn, size_t n, void *dst, struct err *err);
int sim_save_state(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len, struct err *err);
int sim_resume(struct hv_vm *vm, struct err *err);
int sim_net_take(struct hv_vm *vm, int *ret_fd, struct err *err);
int sim_net_give(struct hv_vm *vm, struct err *err);
int sim_watch_fd(struct hv_vm *vm);
enum hv_gone sim_gone(struct hv_vm *vm);
void sim_end(struct hv_vm *vm);
int sim_destroy(struct hv_vm *vm, struct err *err);

int sim_reap(struct hv *hv, const struct uuid *uuid, struct err *err);
int sim_replica_size(struct hv *hv, const void *desc, size_t len, struct hv_size *ret,
                     struct err *err);
int sim_replica_create(struct hv *hv, const void *desc, size_t len, struct hv_replica **ret,
                       struct err *err);
uint64_t sim_replica_pages(const struct hv_replica *r);
const void *sim_replica_page(struct hv_replica *r, uint64_t pfn);
int sim_replica_write(struct hv_replica *r, const uint64_t *pfn, const void *const *page, size_t n,
                      struct err *err);
int sim_replica_set_state(struct hv_replica *r, const void *state, size_t len, struct err *err);
int sim_file_part(struct hv_replica *r, enum hv_file_part part, const uint64_t *pfn, size_t n,
                  void *buf, size_t cap, size_t *ret_len, struct err *err);
int sim_activate(struct hv_replica *r, const char *net, struct err *err);
void sim_discard(struct hv_replica *r);

#endif
