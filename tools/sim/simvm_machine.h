/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMVM_MACHINE_H
#define REMUS_SIMVM_MACHINE_H

#include "engine/net/port.h"
#include "tools/sim/simvm_guest.h"
#include "tools/sim/simvm_opts.h"

/**
 * The virtual machine around the guest program: one thread, one loop over control connections,
 * network interface and time slices of the guest. A request is handled between two slices, so the
 * guest stands still at a whole operation.
 */
#define MACHINE_CONNS 16

struct conn {
    int fd; /* -1: free slot */
};

struct machine {
    const struct simvm_opts *opts;
    struct sim_vm_conf conf; /* as in opts, but for the port that activation chose */
    int dir_fd, listen_fd;
    struct gmem mem;
    struct guest guest;
    struct conn conns[MACHINE_CONNS];
    struct conn *creator; /* replica only: it lives as long as this connection */
    struct conn *stopper; /* resumes when this connection is lost */
    struct conn *logger, *nic_owner;
    bool running, replica, has_state;
    bool quit, shutdown;   /* shutdown: with notice */
    struct port *nic;      /* NULL: no network */
    struct mono nic_again; /* not looked at before: its interface was down */
    uint8_t frame[PORT_FRAME_MAX];
    uint8_t payload[SIM_PAYLOAD_MAX];
    uint64_t frames_in, frames_out, frames_dropped, stops;
};

/** Runs until shut down or destroyed. The process's exit status. */
int machine_main(const struct simvm_opts *opts);

void machine_stop(struct machine *m, struct conn *by);
void machine_resume(struct machine *m);

/* ---- simvm_listen.c: the socket file ---- */

/** Binds the socket: EEXIST when a VM with this UUID is there already. */
int machine_listen(struct machine *m, struct err *err) MUST_CHECK;

/** The replica's socket becomes the VM's. */
int machine_rename(struct machine *m, struct err *err) MUST_CHECK;
void machine_unlink(struct machine *m);

/* ---- simvm_conn.c ---- */

void conn_accept(struct machine *m);
struct conn *conn_add(struct machine *m, int fd);
/** Handles all requests that wait on the connection; frees it at EOF. */
void conn_ready(struct machine *m, struct conn *c);
void conn_close(struct machine *m, struct conn *c);
void conn_notify_shutdown(struct machine *m);

/* ---- simvm_ops.c ---- */

struct request {
    struct conn *conn;
    uint32_t op;
    const uint8_t *payload;
    size_t len;
    int fd; /* -1, or the handler's to take by setting it to -1 */
};

struct reply {
    void *data; /* malloc'ed */
    size_t len;
    int fds[SIM_FDS_MAX]; /* stay the machine's */
    size_t nfds;
    struct err err;
};

/** 0 with *reply filled, or the errno value to answer with reply->err. */
int machine_request(struct machine *m, struct request *rq, struct reply *reply);

/* ---- simvm_nic.c ---- */

int nic_open(struct machine *m, const char *spec, struct err *err) MUST_CHECK;
int nic_take(struct machine *m, int fd) MUST_CHECK; /* takes over fd on success */
void nic_close(struct machine *m);                  /* keeps errno */
/** Descriptor to wait on, -1: none now. */
int nic_fd(const struct machine *m);
/** Answers waiting frames, a bounded number. */
void nic_ready(struct machine *m);

/* ---- simvm_report.c: malloc'ed JSON texts, NULL without memory ---- */

char *report_check(const struct machine *m);
char *report_stats(const struct machine *m);

#endif
