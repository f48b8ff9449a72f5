/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/hv.h"

#include <errno.h>
#include <string.h>

#include "engine/hv/hv_check.h"
#include "engine/hv/hv_fault.h"

#ifdef REMUS_XEN
/* Only programs that ask for it are linked with it; in all others it is NULL. */
extern const struct hv_ops hv_xen_ops __attribute__((weak));
#endif

static const struct hv_ops *const backends[] = {
    &hv_sim_ops,
    &hv_fault_ops,
#ifdef REMUS_XEN
    &hv_xen_ops,
#endif
};

const struct hv_ops *hv_backend(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(backends); i++) {
        if (backends[i] && strcmp(backends[i]->name, name) == 0)
            return backends[i];
    }
    return NULL;
}

int hv_breach(struct err *err, const char *how)
{
    errno = EINVAL;
    return err_set(err, "this is a defect of the program", "hypervisor contract: %s", how);
}

int hv_backend_breach(struct err *err, const char *op)
{
    errno = EIO;
    return err_set(err, "this is a defect of the program", "hypervisor backend: bad result of %s",
                   op);
}

int hv_open(const char *backend, const char *conf, struct hv **ret, struct err *err)
{
    const struct hv_ops *ops = hv_backend(backend);
    struct err own;

    if (!ops) {
        errno = ENOENT;
        return err_set(err, hv_backend("xen") ? "this build has: sim, xen" : "this build has: sim",
                       "there is no hypervisor backend \"%.40s\"", backend);
    }
    return ops->open(conf, ret, hv_err(err, &own));
}

void hv_close(struct hv *hv)
{
    if (hv)
        hv->ops->close(hv);
}

int hv_find(struct hv *hv, const char *which, struct hv_info *ret, struct err *err)
{
    struct err own;

    if (hv->ops->find(hv, which, ret, hv_err(err, &own)))
        return -1;
    if (!ret->pages || !memchr(ret->name, '\0', sizeof(ret->name)) ||
        !memchr(ret->net, '\0', sizeof(ret->net)) || (ret->mac[0] & 1))
        return hv_backend_breach(err, "find");
    return 0;
}

int hv_check_absent(struct hv *hv, const struct uuid *uuid, struct err *err)
{
    char text[UUID_TEXT_LEN + 1];
    struct hv_info info;

    uuid_format(uuid, text);
    if (hv_find(hv, text, &info, err)) /* errno counts only then */
        return errno == ENOENT ? 0 : -1;
    errno = EEXIST;
    return err_set(err, "", "VM \"%s\" is here", info.name);
}

int hv_may_protect(struct hv *hv, const struct uuid *uuid, struct err *err)
{
    struct err own;

    return hv->ops->may_protect(hv, uuid, hv_err(err, &own));
}

int hv_attach(struct hv *hv, const struct uuid *uuid, enum hv_suspend suspend, struct hv_vm **ret,
              struct err *err)
{
    struct err own;

    if (hv->ops->attach(hv, uuid, suspend, ret, hv_err(err, &own)))
        return -1;
    bool driver = hv_suspend_now(*ret)->driver;
    if (driver ? suspend != HV_SUSPEND_COOPERATIVE : suspend != HV_SUSPEND_DRIVER)
        return 0;
    hv_end(*ret);
    *ret = NULL;
    return hv_backend_breach(err, "attach");
}

const struct hv_suspend_now *hv_suspend_now(struct hv_vm *vm)
{
    return vm->ops->suspend_now(vm);
}

const char *hv_vm_unfit(struct hv_vm *vm)
{
    return vm->ops->unfit(vm);
}

bool hv_rested(struct hv_vm *vm)
{
    return vm->ops->rested(vm);
}

bool hv_settled(struct hv_vm *vm)
{
    return vm->ops->settled(vm);
}

int hv_describe(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len, struct err *err)
{
    struct err own;

    if (vm->ops->describe(vm, buf, cap, ret_len, hv_err(err, &own)))
        return -1;
    return *ret_len > cap || *ret_len > HV_DESC_MAX ? hv_backend_breach(err, "describe") : 0;
}

int hv_log_start(struct hv_vm *vm, struct err *err)
{
    struct err own;

    if (vm->logging)
        return hv_breach(err, "log_start while logging");
    if (vm->ops->log_start(vm, hv_err(err, &own)))
        return -1;
    vm->logging = true;
    return 0;
}

int hv_stop(struct hv_vm *vm, int timeout_ms, struct err *err)
{
    struct err own;

    if (vm->stopped || timeout_ms < 0)
        return hv_breach(err, "stop of a stopped VM, or without a time");
    if (vm->ops->stop(vm, timeout_ms, hv_err(err, &own)))
        return -1;
    vm->stopped = true;
    return 0;
}

int hv_fetch_dirty(struct hv_vm *vm, struct bitmap *dirty, struct err *err)
{
    struct err own;

    if (!vm->logging)
        return hv_breach(err, "fetch_dirty without log_start");
    if (vm->ops->fetch_dirty(vm, dirty, hv_err(err, &own)) == 0)
        return 0;
    if (errno == ESTALE) /* log_start is legal again, and needed */
        vm->logging = false;
    return -1;
}

int hv_copy(struct hv_vm *vm, const uint64_t *pfn, size_t n, void *dst, struct err *err)
{
    struct err own;

    return vm->ops->copy(vm, pfn, n, dst, hv_err(err, &own));
}

int hv_save_state(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len, struct err *err)
{
    struct err own;

    if (!vm->stopped)
        return hv_breach(err, "save_state of a running VM");
    if (vm->ops->save_state(vm, buf, cap, ret_len, hv_err(err, &own)))
        return -1;
    return !*ret_len || *ret_len > cap || *ret_len > HV_STATE_MAX
               ? hv_backend_breach(err, "save_state")
               : 0;
}

int hv_resume(struct hv_vm *vm, struct err *err)
{
    struct err own;

    if (!vm->stopped)
        return hv_breach(err, "resume of a running VM");
    int rc = vm->ops->resume(vm, hv_err(err, &own));
    if (rc == 0 || errno == ECANCELED)
        vm->stopped = false;
    return rc;
}

bool hv_stopped(const struct hv_vm *vm)
{
    return vm->stopped;
}

bool hv_logging(const struct hv_vm *vm)
{
    return vm->logging;
}

void hv_on_waiting(struct hv_vm *vm, void (*fn)(void *arg), void *arg)
{
    vm->waiting = fn;
    vm->waiting_arg = arg;
}

int hv_net_take(struct hv_vm *vm, int *ret_fd, struct err *err)
{
    struct err own;

    if (vm->ops->net_take(vm, ret_fd, hv_err(err, &own)))
        return -1;
    vm->net_taken = true;
    return *ret_fd < 0 ? hv_backend_breach(err, "net_take") : 0;
}

int hv_net_give(struct hv_vm *vm, struct err *err)
{
    struct err own;

    if (vm->ops->net_give(vm, hv_err(err, &own)))
        return -1;
    vm->net_taken = false;
    return 0;
}

int hv_watch_fd(struct hv_vm *vm)
{
    return vm->ops->watch_fd(vm);
}

enum hv_gone hv_vm_gone(struct hv_vm *vm)
{
    return vm->ops->gone(vm);
}

void hv_end(struct hv_vm *vm)
{
    if (vm)
        vm->ops->end(vm);
}

int hv_destroy(struct hv_vm *vm, struct err *err)
{
    struct err own;

    return vm->ops->destroy(vm, hv_err(err, &own));
}
