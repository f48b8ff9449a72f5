/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/hv_fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/mono.h"

#define WAITING_US 10000

struct fault_hv {
    struct hv hv;
    struct hv *inner;
};

struct fault_vm {
    struct hv_vm vm;
    struct hv_vm *inner;
};

struct fault_replica {
    struct hv_replica replica;
    struct hv_replica *inner;
};

static struct hv *hv_in(struct hv *hv)
{
    return ((struct fault_hv *)hv)->inner;
}

static struct hv_vm *vm_in(struct hv_vm *vm)
{
    return ((struct fault_vm *)vm)->inner;
}

static struct hv_replica *replica_in(const struct hv_replica *r)
{
    return ((const struct fault_replica *)r)->inner;
}

/* Every decorated operation is: fail if that is due, else do it. */
#define PASS(op, call) return hv_fault_due(op, err) ? -1 : (call)

static int fault_open(const char *conf, struct hv **ret, struct err *err)
{
    char name[32] = "";
    const char *colon = strchr(conf, ':');

    if (!colon || (size_t)(colon - conf) >= sizeof(name)) {
        errno = EINVAL;
        return err_set(err, "", "backend_conf of \"fault\" must be BACKEND:CONF");
    }
    memcpy(name, conf, (size_t)(colon - conf));
    struct fault_hv *f = calloc(1, sizeof(*f));
    if (!f)
        return err_errno(err, "", "fault");
    f->hv.ops = &hv_fault_ops;
    if (hv_fault_due("open", err) || hv_open(name, colon + 1, &f->inner, err)) {
        int saved = errno;
        free(f);
        errno = saved;
        return -1;
    }
    *ret = &f->hv;
    return 0;
}

static void fault_close(struct hv *hv)
{
    hv_close(hv_in(hv));
    free(hv);
}

static int fault_find(struct hv *hv, const char *which, struct hv_info *ret, struct err *err)
{
    PASS("find", hv_find(hv_in(hv), which, ret, err));
}

static int fault_may_protect(struct hv *hv, const struct uuid *uuid, struct err *err)
{
    PASS("may_protect", hv_may_protect(hv_in(hv), uuid, err));
}

static int fault_attach(struct hv *hv, const struct uuid *uuid, enum hv_suspend suspend,
                        struct hv_vm **ret, struct err *err)
{
    if (hv_fault_due("attach", err))
        return -1;
    struct fault_vm *f = calloc(1, sizeof(*f));
    if (!f)
        return err_errno(err, "", "fault");
    f->vm.ops = &hv_fault_ops;
    if (hv_attach(hv_in(hv), uuid, suspend, &f->inner, err)) {
        int saved = errno;
        free(f);
        errno = saved;
        return -1;
    }
    f->vm.stopped = hv_stopped(f->inner);
    *ret = &f->vm;
    return 0;
}

static const struct hv_suspend_now *fault_suspend_now(struct hv_vm *vm)
{
    return hv_suspend_now(vm_in(vm));
}

static const char *fault_unfit(struct hv_vm *vm)
{
    static struct err why;

    return hv_fault_due("unfit", &why) ? why.text : hv_vm_unfit(vm_in(vm));
}

static bool fault_rested(struct hv_vm *vm)
{
    struct err why;

    return !hv_fault_due("rested", &why) && hv_rested(vm_in(vm));
}

static bool fault_settled(struct hv_vm *vm)
{
    struct err why;

    return !hv_fault_due("settled", &why) && hv_settled(vm_in(vm));
}

static int fault_describe(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len, struct err *err)
{
    PASS("describe", hv_describe(vm_in(vm), buf, cap, ret_len, err));
}

static int fault_log_start(struct hv_vm *vm, struct err *err)
{
    PASS("log_start", hv_log_start(vm_in(vm), err));
}

/* A guest that does not answer costs all of the time that it has. */
static void wait_in_vain(const struct hv_vm *vm, int timeout_ms)
{
    const struct mono end = mono_add(mono_now(), timeout_ms * NS_PER_MS);

    while (mono_before(mono_now(), end)) {
        hv_waiting(vm);
        usleep(WAITING_US);
    }
}

static int fault_stop(struct hv_vm *vm, int timeout_ms, struct err *err)
{
    if (hv_fault_due("stop", err)) {
        const int error = errno;
        if (error == ETIMEDOUT)
            wait_in_vain(vm, timeout_ms);
        errno = error;
        return -1;
    }
    hv_on_waiting(vm_in(vm), vm->waiting, vm->waiting_arg);
    return hv_stop(vm_in(vm), timeout_ms, err);
}

static int fault_fetch_dirty(struct hv_vm *vm, struct bitmap *dirty, struct err *err)
{
    if (hv_fault_due("fetch_dirty", err)) {
        if (errno == ESTALE)
            vm_in(vm)->logging = false;
        return -1;
    }
    return hv_fetch_dirty(vm_in(vm), dirty, err);
}

static int fault_copy(struct hv_vm *vm, const uint64_t *pfn, size_t n, void *dst, struct err *err)
{
    PASS("copy", hv_copy(vm_in(vm), pfn, n, dst, err));
}

static int fault_save_state(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len,
                            struct err *err)
{
    PASS("save_state", hv_save_state(vm_in(vm), buf, cap, ret_len, err));
}

static int fault_resume(struct hv_vm *vm, struct err *err)
{
    PASS("resume", hv_resume(vm_in(vm), err));
}

static int fault_net_take(struct hv_vm *vm, int *ret_fd, struct err *err)
{
    PASS("net_take", hv_net_take(vm_in(vm), ret_fd, err));
}

static int fault_net_give(struct hv_vm *vm, struct err *err)
{
    PASS("net_give", hv_net_give(vm_in(vm), err));
}

static int fault_watch_fd(struct hv_vm *vm)
{
    return hv_watch_fd(vm_in(vm));
}

static enum hv_gone fault_gone(struct hv_vm *vm)
{
    return hv_vm_gone(vm_in(vm));
}

static void fault_end(struct hv_vm *vm)
{
    hv_end(vm_in(vm));
    free(vm);
}

static int fault_destroy(struct hv_vm *vm, struct err *err)
{
    if (hv_fault_due("destroy", err) || hv_destroy(vm_in(vm), err))
        return -1;
    free(vm);
    return 0;
}

static int fault_reap(struct hv *hv, const struct uuid *uuid, struct err *err)
{
    PASS("reap", hv_reap(hv_in(hv), uuid, err));
}

static int fault_replica_size(struct hv *hv, const void *desc, size_t len, struct hv_size *ret,
                              struct err *err)
{
    PASS("replica_size", hv_replica_size(hv_in(hv), desc, len, ret, err));
}

static int fault_replica_create(struct hv *hv, const void *desc, size_t len,
                                struct hv_replica **ret, struct err *err)
{
    if (hv_fault_due("replica_create", err))
        return -1;
    struct fault_replica *f = calloc(1, sizeof(*f));
    if (!f)
        return err_errno(err, "", "fault");
    f->replica.ops = &hv_fault_ops;
    if (hv_replica_create(hv_in(hv), desc, len, &f->inner, err)) {
        int saved = errno;
        free(f);
        errno = saved;
        return -1;
    }
    *ret = &f->replica;
    return 0;
}

static uint64_t fault_replica_pages(const struct hv_replica *r)
{
    return hv_replica_pages(replica_in(r));
}

static uint64_t fault_replica_memory(const struct hv_replica *r)
{
    return hv_replica_memory(replica_in(r));
}

static const void *fault_replica_page(struct hv_replica *r, uint64_t pfn)
{
    return hv_replica_page(replica_in(r), pfn);
}

static int fault_replica_write(struct hv_replica *r, const uint64_t *pfn, const void *const *page,
                               size_t n, struct err *err)
{
    PASS("replica_write", hv_replica_write(replica_in(r), pfn, page, n, err));
}

static int fault_replica_set_state(struct hv_replica *r, const void *state, size_t len,
                                   struct err *err)
{
    PASS("replica_set_state", hv_replica_set_state(replica_in(r), state, len, err));
}

static int fault_file_part(struct hv_replica *r, enum hv_file_part part, const uint64_t *pfn,
                           size_t n, void *buf, size_t cap, size_t *ret_len, struct err *err)
{
    PASS("file_part", hv_file_part(replica_in(r), part, pfn, n, buf, cap, ret_len, err));
}

static int fault_activate(struct hv_replica *r, const char *net, struct err *err)
{
    if (hv_fault_due("activate", err) || hv_activate(replica_in(r), net, err))
        return -1;
    free(r);
    return 0;
}

static void fault_discard(struct hv_replica *r)
{
    hv_discard(replica_in(r));
    free(r);
}

const struct hv_ops hv_fault_ops = {
    .name = "fault",
    .open = fault_open,
    .close = fault_close,
    .find = fault_find,
    .may_protect = fault_may_protect,
    .attach = fault_attach,
    .suspend_now = fault_suspend_now,
    .unfit = fault_unfit,
    .rested = fault_rested,
    .settled = fault_settled,
    .describe = fault_describe,
    .log_start = fault_log_start,
    .stop = fault_stop,
    .fetch_dirty = fault_fetch_dirty,
    .copy = fault_copy,
    .save_state = fault_save_state,
    .resume = fault_resume,
    .net_take = fault_net_take,
    .net_give = fault_net_give,
    .watch_fd = fault_watch_fd,
    .gone = fault_gone,
    .end = fault_end,
    .destroy = fault_destroy,
    .reap = fault_reap,
    .replica_size = fault_replica_size,
    .replica_create = fault_replica_create,
    .replica_pages = fault_replica_pages,
    .replica_memory = fault_replica_memory,
    .replica_page = fault_replica_page,
    .replica_write = fault_replica_write,
    .replica_set_state = fault_replica_set_state,
    .file_part = fault_file_part,
    .activate = fault_activate,
    .discard = fault_discard,
};
