/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/hv/sim/sim_impl.h"

/* Frames of 64 KiB pass, and a burst of small ones while nobody reads. */
#define NIC_BUFFER (4 << 20)

struct sim_vm {
    struct hv_vm vm;
    struct sim_conn conn;
    struct sim_map map;
};

static struct sim_vm *sim_of(struct hv_vm *vm)
{
    return (struct sim_vm *)vm;
}

/* It has one way to stop, which is nobody's driver. */
const struct hv_suspend_now *sim_suspend_now(struct hv_vm *vm)
{
    static const struct hv_suspend_now now = {.why = "the built-in VM has no driver"};

    (void)vm;
    return &now;
}

/* It is given nothing after its start. */
const char *sim_unfit(struct hv_vm *vm)
{
    (void)vm;
    return "";
}

/* It only stands still between two of its steps. */
bool sim_rested(struct hv_vm *vm)
{
    (void)vm;
    return true;
}

/* What it was asked too late is undone by what follows, in the order in which it was said. */
bool sim_settled(struct hv_vm *vm)
{
    (void)vm;
    return true;
}

int sim_attach(struct hv *hv, const struct uuid *uuid, enum hv_suspend suspend, struct hv_vm **ret,
               struct err *err)
{
    char file[SIM_FILE_MAX];
    struct sim_info info;

    if (suspend == HV_SUSPEND_DRIVER) {
        errno = ENOTSUP;
        return err_set(err, "suspend = auto", "%s", sim_suspend_now(NULL)->why);
    }
    struct sim_vm *s = calloc(1, sizeof(*s));
    if (!s)
        return err_errno(err, "", "attach");
    sim_socket_name(file, sizeof(file), uuid, SIM_SUFFIX);
    if (sim_conn_open(&s->conn, ((struct sim_hv *)hv)->dir_fd, file)) {
        free(s);
        errno = ESRCH;
        return err_set(err, "", "there is no VM behind %s", file);
    }
    if (sim_map_open(&s->map, &s->conn, false, &info, err)) {
        int saved = errno;
        sim_conn_close(&s->conn);
        free(s);
        errno = saved;
        return -1;
    }
    s->vm.ops = &hv_sim_ops;
    s->vm.stopped = !info.running;
    *ret = &s->vm;
    return 0;
}

/* A call whose reply's payload goes to buf[cap]. */
static int fetch(struct sim_vm *s, enum sim_op op, void *buf, size_t cap, size_t *ret_len,
                 struct err *err)
{
    struct sim_call call = {.op = op, .timeout_ms = SIM_REPLY_MS};

    if (sim_conn_call(&s->conn, &call, err))
        return -1;
    while (call.ret_nfds)
        close(call.ret_fds[--call.ret_nfds]);
    *ret_len = call.ret_len;
    if (call.ret_len > cap) {
        errno = ENOBUFS;
        return err_errno(err, "", "%zu octets of the VM", call.ret_len);
    }
    memcpy(buf, s->conn.buf, call.ret_len);
    return 0;
}

int sim_describe(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len, struct err *err)
{
    return fetch(sim_of(vm), SIM_DESCRIBE, buf, cap, ret_len, err);
}

int sim_log_start(struct hv_vm *vm, struct err *err)
{
    return sim_conn_order(&sim_of(vm)->conn, SIM_LOG_ON, err);
}

int sim_stop(struct hv_vm *vm, int timeout_ms, struct err *err)
{
    struct sim_conn *c = &sim_of(vm)->conn;
    struct sim_call call = {.op = SIM_STOP, .timeout_ms = timeout_ms};

    if (sim_conn_call(c, &call, err) == 0)
        return 0;
    if (errno != ETIMEDOUT)
        return -1;
    /* It may still obey later: then this undoes it at once. */
    if (sim_conn_post(c, SIM_RESUME)) {
        errno = EIO;
        return err_errno(err, "", "the stop could not be taken back");
    }
    errno = ETIMEDOUT;
    return -1;
}

int sim_fetch_dirty(struct hv_vm *vm, struct bitmap *dirty, struct err *err)
{
    struct sim_map *m = &sim_of(vm)->map;
    size_t words = (m->pages + 63) / 64;

    if (dirty->nbits != m->pages) {
        errno = EINVAL;
        return err_set(err, "", "dirty bitmap of %zu pages for a VM of %llu", dirty->nbits,
                       (unsigned long long)m->pages);
    }
    if (!__atomic_load_n(&m->shared->logging, __ATOMIC_RELAXED)) {
        errno = ESTALE;
        return err_errno(err, "", "dirty log");
    }
    for (size_t i = 0; i < words; i++) {
        /* Most words are clean: a plain load is all they cost. */
        if (__atomic_load_n(&m->log[i], __ATOMIC_RELAXED))
            bitmap_add_word(dirty, i, __atomic_exchange_n(&m->log[i], 0, __ATOMIC_SEQ_CST));
    }
    return 0;
}

/* Pages pfn[0] on that follow each other. */
static size_t run_length(const uint64_t *pfn, size_t n)
{
    size_t k = 1;

    while (k < n && pfn[k] == pfn[0] + k)
        k++;
    return k;
}

/* By read: a hole stays one. Through the mapping it would be filled. */
static int read_run(const struct sim_map *m, uint64_t pfn, size_t n, uint8_t *dst)
{
    size_t want = n * HV_PAGE_SIZE, got = 0;

    while (got < want) {
        ssize_t k = pread(m->mem_fd, dst + got, want - got, (off_t)(pfn * HV_PAGE_SIZE + got));
        if (k == 0)
            errno = EIO;
        if (k <= 0 && errno != EINTR)
            return -1;
        got += k > 0 ? (size_t)k : 0;
    }
    return 0;
}

/* While stopped time counts, and what is dirty is no hole. */
static int copy_run(const struct sim_vm *s, uint64_t pfn, size_t n, uint8_t *dst)
{
    if (!s->vm.stopped)
        return read_run(&s->map, pfn, n, dst);
    memcpy(dst, s->map.mem + pfn * HV_PAGE_SIZE, n * HV_PAGE_SIZE);
    return 0;
}

int sim_copy(struct hv_vm *vm, const uint64_t *pfn, size_t n, void *dst, struct err *err)
{
    struct sim_vm *s = sim_of(vm);
    uint8_t *to = dst;

    while (n) {
        size_t k = run_length(pfn, n);
        if (pfn[0] >= s->map.pages || k > s->map.pages - pfn[0]) {
            errno = EINVAL;
            return err_set(err, "", "page %llu is out of range", (unsigned long long)pfn[0]);
        }
        if (copy_run(s, pfn[0], k, to))
            return err_errno(err, "", "cannot read the VM's memory");
        to += k * HV_PAGE_SIZE;
        pfn += k;
        n -= k;
    }
    return 0;
}

int sim_save_state(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len, struct err *err)
{
    return fetch(sim_of(vm), SIM_GET_STATE, buf, cap, ret_len, err);
}

int sim_resume(struct hv_vm *vm, struct err *err)
{
    /* Whoever stopped it cannot be refused: waiting for a reply would only lengthen the pause. */
    if (sim_conn_post(&sim_of(vm)->conn, SIM_RESUME) == 0)
        return 0;
    if (errno == ETIMEDOUT)
        errno = EIO;
    return err_errno(err, "", "resume");
}

/* Best effort: the system's limit may be lower, then bursts are shorter. */
static void widen(int fd)
{
    int size = NIC_BUFFER;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int sim_net_take(struct hv_vm *vm, int *ret_fd, struct err *err)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
        return err_errno(err, "", "network interface");
    widen(pair[0]);
    widen(pair[1]);
    struct sim_call call = {.op = SIM_NIC_TAKE, .fd = &pair[1], .timeout_ms = SIM_REPLY_MS};
    int rc = sim_conn_call(&sim_of(vm)->conn, &call, err), saved = errno;
    close(pair[1]);
    if (rc) {
        close(pair[0]);
        errno = saved == ETIMEDOUT ? EIO : saved;
        return -1;
    }
    *ret_fd = pair[0];
    return 0;
}

int sim_net_give(struct hv_vm *vm, struct err *err)
{
    return sim_conn_order(&sim_of(vm)->conn, SIM_NIC_GIVE, err);
}

int sim_watch_fd(struct hv_vm *vm)
{
    return sim_of(vm)->conn.fd;
}

enum hv_gone sim_gone(struct hv_vm *vm)
{
    struct sim_conn *c = &sim_of(vm)->conn;

    sim_conn_drain(c);
    if (c->shutdown)
        return HV_SHUTDOWN;
    return c->eof ? HV_CRASHED : HV_ALIVE;
}

static void release(struct sim_vm *s)
{
    sim_conn_close(&s->conn);
    sim_map_close(&s->map);
    free(s);
}

void sim_end(struct hv_vm *vm)
{
    struct err err;
    int saved = errno;

    /* Without an answer the closed connection ends the capture as well. */
    if (sim_conn_order(&sim_of(vm)->conn, SIM_END, &err))
        errno = saved;
    release(sim_of(vm));
}

int sim_destroy(struct hv_vm *vm, struct err *err)
{
    if (sim_conn_destroy(&sim_of(vm)->conn, err))
        return -1;
    release(sim_of(vm));
    return 0;
}
