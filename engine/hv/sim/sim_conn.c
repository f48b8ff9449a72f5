/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/mono.h"
#include "engine/hv/sim/sim_impl.h"

void sim_conn_init(struct sim_conn *c, int fd)
{
    *c = (struct sim_conn){.fd = fd};
}

int sim_conn_open(struct sim_conn *c, int dir_fd, const char *file)
{
    int fd = sim_connect(dir_fd, file);

    if (fd < 0)
        return -1;
    sim_conn_init(c, fd);
    return 0;
}

void sim_conn_close(struct sim_conn *c)
{
    close(c->fd);
}

static void close_fds(int *fds, size_t *n)
{
    while (*n)
        close(fds[--*n]);
}

/* One packet if there is one: 1, or 0 with c->eof perhaps set. */
static int take(struct sim_conn *c, struct sim_msg *msg, int *fds, size_t *nfds)
{
    int rc = sim_recv(c->fd, msg, c->buf, fds, nfds);

    if (rc < 0 && errno == EAGAIN)
        return 0;
    if (rc <= 0) {
        close_fds(fds, nfds);
        c->eof = true;
        return 0;
    }
    if (msg->id == 0 && msg->op == SIM_NOTE_SHUTDOWN)
        c->shutdown = true;
    return 1;
}

static void sleep_for(int fd, int64_t ns)
{
    struct timespec ts = {ns / NS_PER_S, ns % NS_PER_S};
    struct pollfd p = {.fd = fd, .events = POLLIN};

    ppoll(&p, 1, &ts, NULL);
}

/* Waits for the packet with this id and op (0: any op). */
static int await(struct sim_conn *c, uint32_t id, int timeout_ms, struct sim_msg *msg, int *fds,
                 size_t *nfds)
{
    struct mono until = mono_add(mono_now(), timeout_ms * NS_PER_MS);

    while (!c->eof) {
        if (take(c, msg, fds, nfds)) {
            if (msg->id == id && msg->op != SIM_NOTE_SHUTDOWN)
                return 0;
            close_fds(fds, nfds);
            continue;
        }
        int64_t left = mono_sub(until, mono_now());
        if (left <= 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (!c->eof)
            sleep_for(c->fd, left);
    }
    errno = ESRCH;
    return -1;
}

static void attract(struct sim_conn *c)
{
    if (c->shared)
        __atomic_store_n(&c->shared->attention, 1, __ATOMIC_RELAXED);
}

static uint32_t next_id(struct sim_conn *c)
{
    if (++c->id == 0)
        ++c->id;
    return c->id;
}

/* -1: ESRCH, or ETIMEDOUT when the other side has not read for long. */
static int post(struct sim_conn *c, const struct sim_msg *msg, const void *payload, const int *fd)
{
    attract(c);
    if (sim_send(c->fd, msg, payload, fd, fd ? 1 : 0) == 0)
        return 0;
    errno = errno == EAGAIN ? ETIMEDOUT : ESRCH;
    return -1;
}

int sim_conn_post(struct sim_conn *c, enum sim_op op)
{
    struct sim_msg msg = {.op = op};

    return post(c, &msg, NULL, NULL);
}

/* Turns the packet's rc into errno and err. */
static int verdict(struct sim_conn *c, const struct sim_msg *msg, struct err *err)
{
    if (!msg->rc)
        return 0;
    errno = msg->rc > 0 ? msg->rc : EIO;
    return err_set(err, "", "%.*s: %s", msg->len < 200 ? (int)msg->len : 200, (char *)c->buf,
                   strerror(errno));
}

int sim_conn_call(struct sim_conn *c, struct sim_call *call, struct err *err)
{
    struct sim_msg msg = {.id = next_id(c), .op = call->op, .len = (uint32_t)call->len};

    call->ret_nfds = 0;
    if (post(c, &msg, call->payload, call->fd) ||
        await(c, c->id, call->timeout_ms, &msg, call->ret_fds, &call->ret_nfds)) {
        /* What came before EOF may say why. */
        sim_conn_drain(c);
        return err_errno(err, "", "VM process");
    }
    call->ret_len = msg.len;
    if (verdict(c, &msg, err) == 0)
        return 0;
    close_fds(call->ret_fds, &call->ret_nfds);
    return -1;
}

int sim_conn_order(struct sim_conn *c, enum sim_op op, struct err *err)
{
    struct sim_call call = {.op = op, .timeout_ms = SIM_REPLY_MS};

    if (sim_conn_call(c, &call, err) == 0) {
        close_fds(call.ret_fds, &call.ret_nfds);
        return 0;
    }
    if (errno == ETIMEDOUT)
        errno = EIO;
    return -1;
}

int sim_conn_await_ready(struct sim_conn *c, int timeout_ms, struct err *err)
{
    struct sim_msg msg;
    int fds[SIM_FDS_MAX];
    size_t nfds = 0;

    if (await(c, 0, timeout_ms, &msg, fds, &nfds))
        return err_errno(err, "its own message, if any, is on stderr",
                         "remus-simvm did not report");
    close_fds(fds, &nfds);
    return verdict(c, &msg, err);
}

void sim_conn_drain(struct sim_conn *c)
{
    struct sim_msg msg;
    int fds[SIM_FDS_MAX], saved = errno;
    size_t nfds = 0;

    while (!c->eof && take(c, &msg, fds, &nfds))
        close_fds(fds, &nfds);
    errno = saved;
}

static bool gone_within(struct sim_conn *c, int timeout_ms)
{
    struct sim_msg msg;
    int fds[SIM_FDS_MAX];
    size_t nfds = 0;

    /* No packet has the id that is given out next. */
    return await(c, c->id + 1, timeout_ms, &msg, fds, &nfds) && errno == ESRCH;
}

/* Of the process that listened; a replica's creator finds itself there and must have been told. */
static pid_t peer_pid(const struct sim_conn *c)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
        return -1;
    if (peer.pid != getpid())
        return peer.pid;
    errno = ENOENT;
    return c->pid > 0 ? c->pid : -1;
}

static int kill_peer(struct sim_conn *c)
{
    pid_t pid = peer_pid(c);
    int pidfd = pid < 0 ? -1 : pidfd_open(pid, 0);

    if (pidfd < 0)
        return -1;
    /* If the connection is still open now, the pid was still that process's when it was opened. */
    sim_conn_drain(c);
    int rc = c->eof ? 0 : pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    close(pidfd);
    return rc;
}

int sim_conn_destroy(struct sim_conn *c, struct err *err)
{
    int rc = sim_conn_post(c, SIM_DESTROY);

    if ((rc == 0 || errno == ESRCH) && gone_within(c, SIM_DESTROY_MS))
        return 0;
    if (kill_peer(c) && errno != ESRCH)
        return err_errno(err, "end the remus-simvm process by hand", "cannot destroy the VM");
    if (gone_within(c, SIM_KILL_MS))
        return 0;
    errno = ETIMEDOUT;
    return err_errno(err, "", "the VM does not go away");
}

int sim_conn_info(struct sim_conn *c, int timeout_ms, struct sim_info *ret, struct err *err)
{
    struct sim_call call = {.op = SIM_INFO, .timeout_ms = timeout_ms};

    if (sim_conn_call(c, &call, err))
        return -1;
    close_fds(call.ret_fds, &call.ret_nfds);
    if (call.ret_len != sizeof(*ret)) {
        errno = EIO;
        return err_errno(err, "", "VM process");
    }
    memcpy(ret, c->buf, sizeof(*ret));
    ret->name[sizeof(ret->name) - 1] = '\0';
    ret->net[sizeof(ret->net) - 1] = '\0';
    return 0;
}
