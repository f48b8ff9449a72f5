/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/xen/xen_vm.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static void release(struct xen_vm *v)
{
    int saved = errno;

    xen_log_close(v);
    xen_suspend_close(v);
    xen_watch_close(v);
    xen_fitness_close(v);
    xen_state_close(v);
    xen_mem_free(&v->mem);
    if (v->nobody >= 0)
        close(v->nobody);
    free(v);
    errno = saved;
}

static int map_memory(struct xen_vm *v, struct err *err)
{
    xen_pfn_t top;

    if (xc_domain_maximum_gpfn(v->x->xch, v->domid, &top) < 0)
        return err_errno(err, "", "size of domain %u", v->domid);
    if (xen_mem_init(&v->mem, top + 1, PROT_READ, err))
        return -1;
    return xen_mem_map_all(v->x, v->domid, &v->mem, err);
}

int xen_attach(struct hv *hv, const struct uuid *uuid, enum hv_suspend suspend, struct hv_vm **ret,
               struct err *err)
{
    xc_domaininfo_t info;
    struct xen_vm *v = calloc(1, sizeof(*v));

    if (!v)
        return err_errno(err, "", "attach");
    *v = (struct xen_vm){.vm.ops = &hv_xen_ops,
                         .x = (struct xen_hv *)hv,
                         .uuid = *uuid,
                         .suspend = {.port = -1, .lock_fd = -1},
                         .nobody = -1,
                         .watch = -1};
    if (xen_dom_by_uuid(v->x, uuid, XEN_VMS, &info)) {
        free(v);
        errno = ESRCH;
        return err_set(err, "", "there is no domain with this UUID any more");
    }
    v->domid = info.domain;
    v->tot_pages = v->last_pages = info.tot_pages;
    v->vm.stopped = xen_dom_suspended(&info);
    xen_vif_find(v->x, v->domid, &v->vif);
    if (map_memory(v, err) || xen_state_open(v, err) || xen_log_open(v, err) ||
        xen_watch_open(v, err) || xen_suspend_open(v, suspend, err)) {
        release(v);
        return -1;
    }
    *ret = &v->vm;
    return 0;
}

int xen_copy(struct hv_vm *vm, const uint64_t *pfn, size_t n, void *dst, struct err *err)
{
    return xen_mem_copy(&xen_vm_of(vm)->mem, pfn, n, dst, err);
}

int xen_net_take(struct hv_vm *vm, int *ret_fd, struct err *err)
{
    struct xen_vm *v = xen_vm_of(vm);
    int pair[2];

    if (v->vif.name[0])
        return xen_vif_take(v->x, &v->vif, ret_fd, err);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
        return err_errno(err, "", "network interface");
    if (v->nobody >= 0)
        close(v->nobody);
    v->nobody = pair[1];
    *ret_fd = pair[0];
    return 0;
}

int xen_net_give(struct hv_vm *vm, struct err *err)
{
    struct xen_vm *v = xen_vm_of(vm);

    return v->vif.name[0] ? xen_vif_give(v->x, &v->vif, err) : 0;
}

void xen_end(struct hv_vm *vm)
{
    release(xen_vm_of(vm));
}

int xen_destroy(struct hv_vm *vm, struct err *err)
{
    struct xen_vm *v = xen_vm_of(vm);

    xen_mem_free(&v->mem); /* or it could not be freed */
    if (xen_dom_destroy(v->x, v->domid, &v->uuid, err))
        return -1;
    release(v);
    return 0;
}
