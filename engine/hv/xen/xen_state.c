/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hv/xen/format/xen_desc.h"
#include "engine/hv/xen/xen_vm.h"

/* Those that a restored domain is given, as in Xen's own saving of HVM guests. */
static const uint32_t saved_params[] = {
    HVM_PARAM_STORE_PFN,
    HVM_PARAM_IOREQ_PFN,
    HVM_PARAM_BUFIOREQ_PFN,
    HVM_PARAM_PAGING_RING_PFN,
    HVM_PARAM_MONITOR_RING_PFN,
    HVM_PARAM_SHARING_RING_PFN,
    HVM_PARAM_VM86_TSS_SIZED,
    HVM_PARAM_CONSOLE_PFN,
    HVM_PARAM_ACPI_IOPORTS_LOCATION,
    HVM_PARAM_VIRIDIAN,
    HVM_PARAM_IDENT_PT,
    HVM_PARAM_VM_GENERATION_ID_ADDR,
    HVM_PARAM_IOREQ_SERVER_PFN,
    HVM_PARAM_NR_IOREQ_SERVER_PAGES,
    HVM_PARAM_X87_FIP_WIDTH,
    HVM_PARAM_MCA_CAP,
};
_Static_assert(ARRAY_LEN(saved_params) <= XEN_PARAMS_MAX, "room in struct xen_vm");

static int context_pages(const struct xen_vm *v)
{
    return (int)((v->context_size + XC_PAGE_SIZE - 1) / XC_PAGE_SIZE);
}

int xen_state_open(struct xen_vm *v, struct err *err)
{
    uint64_t value;

    for (size_t i = 0; i < ARRAY_LEN(saved_params); i++) {
        if (xc_hvm_param_get(v->x->xch, v->domid, saved_params[i], &value))
            return err_errno(err, "", "parameter %u of domain %u", saved_params[i], v->domid);
        if (!value)
            continue;
        v->param[v->param_count].index = saved_params[i];
        v->param[v->param_count++].value = value;
    }
    int size = xc_domain_hvm_getcontext(v->x->xch, v->domid, NULL, 0);
    if (size <= 0 || size > (int)HV_STATE_MAX / 2)
        return err_errno(err, "", "CPU state of domain %u", v->domid);
    v->context_size = (size_t)size;
    DECLARE_HYPERCALL_BUFFER_SHADOW(uint8_t, context, &v->context);
    context = xc_hypercall_buffer_alloc_pages(v->x->xch, context, context_pages(v));
    return context ? 0 : err_errno(err, "", "CPU state of domain %u", v->domid);
}

void xen_state_close(struct xen_vm *v)
{
    DECLARE_HYPERCALL_BUFFER_SHADOW(uint8_t, context, &v->context);

    if (context)
        xc_hypercall_buffer_free_pages(v->x->xch, context, context_pages(v));
}

static int put_tsc(struct xen_vm *v, struct xen_buf *b)
{
    uint32_t mode, khz, incarnation;
    uint64_t nsec;

    if (xc_domain_get_tsc_info(v->x->xch, v->domid, &mode, &nsec, &khz, &incarnation))
        return -1;
    size_t begun = xen_rec_begin(b, XEN_REC_TSC_INFO);
    xen_buf_u32(b, mode);
    xen_buf_u32(b, khz);
    xen_buf_u64(b, nsec);
    xen_buf_u32(b, incarnation);
    xen_buf_u32(b, 0);
    xen_rec_end(b, begun);
    return 0;
}

/*
 * As libxc's own function, which maps a buffer for each call: half of the time that it takes. With
 * the size asked for before: a larger buffer is slower.
 */
static int put_context(struct xen_vm *v, struct xen_buf *b)
{
    DECLARE_HYPERCALL_BUFFER_SHADOW(uint8_t, context, &v->context);
    struct xen_domctl ctl = {.cmd = XEN_DOMCTL_gethvmcontext, .domain = (domid_t)v->domid};
    size_t begun = xen_rec_begin(b, XEN_REC_HVM_CONTEXT);

    ctl.u.hvmcontext.size = (uint32_t)v->context_size;
    set_xen_guest_handle(ctl.u.hvmcontext.buffer, context);
    if (xc_domctl(v->x->xch, &ctl))
        return -1;
    xen_buf_put(b, context, ctl.u.hvmcontext.size);
    xen_rec_end(b, begun);
    return 0;
}

static void put_params(const struct xen_vm *v, struct xen_buf *b)
{
    size_t begun = xen_rec_begin(b, XEN_REC_HVM_PARAMS);

    xen_buf_u32(b, (uint32_t)v->param_count);
    xen_buf_u32(b, 0);
    for (size_t i = 0; i < v->param_count; i++) {
        xen_buf_u64(b, v->param[i].index);
        xen_buf_u64(b, v->param[i].value);
    }
    xen_rec_end(b, begun);
}

int xen_save_state(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len, struct err *err)
{
    struct xen_vm *v = xen_vm_of(vm);
    struct xen_buf b;

    xen_buf_fixed(&b, buf, cap);
    xen_state_begin(&b);
    if (put_tsc(v, &b) || put_context(v, &b))
        return err_errno(err, "", "CPU state of domain %u", v->domid);
    put_params(v, &b);
    *ret_len = b.len;
    if (!b.failed)
        return 0;
    errno = ENOBUFS;
    return err_errno(err, "", "CPU state of domain %u", v->domid);
}
