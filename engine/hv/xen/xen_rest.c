/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "engine/base/log.h"
#include "engine/hv/xen/xen_vm.h"

/*
 * A Linux kernel looks at control/shutdown once for each time that it is written: for our request,
 * and for its own taking it off again. It gets to the second look when it has thawed. If the next
 * request stands there by then it is obeyed at that look, and the look that the request itself
 * calls for is left over. One more at each epoch, without end: the kernel works them off, with
 * three questions to xenstored each, before all else that xenbus has for it, also when it is
 * resumed at the backup and waits for its devices. So they are counted, and before there are many
 * the kernel gets the time for them. What it asks of xenstored passes through a ring in its memory
 * (xen/io/xs_wire.h); nothing else tells.
 */
#define OWED_MAX 4
/* A kernel that has not looked by then is very slow, or another system's, which need not look. */
#define LIMIT_MS   2000
#define UNSEEN_MAX 3

typedef const volatile struct xenstore_domain_interface ring_t;

static ring_t *ring_of(const struct xen_vm *v)
{
    for (size_t i = 0; i < v->param_count; i++) {
        uint64_t pfn = v->param[i].value;
        if (v->param[i].index == HVM_PARAM_STORE_PFN && pfn < v->mem.pages &&
            bitmap_test(&v->mem.ram, pfn))
            return (ring_t *)(v->mem.base + pfn * HV_PAGE_SIZE);
    }
    return NULL;
}

static bool is_look(const struct xsd_sockmsg *head, const uint8_t *body)
{
    return head->type == XS_READ && head->len == sizeof(XEN_NODE_SHUTDOWN) &&
           memcmp(body, XEN_NODE_SHUTDOWN, sizeof(XEN_NODE_SHUTDOWN)) == 0;
}

/* Counts looks among `len` octets that the guest wrote, in which anything may be; returns how many
 * octets are whole questions. */
static uint32_t count_looks(const uint8_t *buf, uint32_t len, unsigned *looks)
{
    struct xsd_sockmsg head;
    uint32_t at = 0;

    while (len - at >= sizeof(head)) {
        memcpy(&head, buf + at, sizeof(head));
        if (head.len > len - at - sizeof(head))
            break;
        *looks += is_look(&head, buf + at + sizeof(head));
        at += (uint32_t)sizeof(head) + head.len;
    }
    return at;
}

/* Looks since the last call. False: so much was asked since that it cannot be told. */
static bool take_looks(struct xen_rest *r, ring_t *ring, unsigned *looks)
{
    uint8_t buf[XENSTORE_RING_SIZE];
    uint32_t len = ring->req_prod - r->mark;

    *looks = 0;
    if (len > sizeof(buf)) {
        r->mark += len;
        return false;
    }
    for (uint32_t i = 0; i < len; i++)
        buf[i] = (uint8_t)ring->req[MASK_XENSTORE_IDX(r->mark + i)];
    r->mark += count_looks(buf, len, looks);
    return true;
}

static unsigned less(unsigned from, unsigned by)
{
    return from > by ? from - by : 0;
}

static void forget(struct xen_rest *r)
{
    *r = (struct xen_rest){.unseen = r->unseen};
}

void xen_rest_stopped(struct xen_vm *v)
{
    struct xen_rest *r = &v->rest;
    ring_t *ring = ring_of(v);
    unsigned looks;

    if (v->suspend.by_driver || !ring || r->unseen >= UNSEEN_MAX) {
        forget(r);
        return;
    }
    bool known = r->counting && take_looks(r, ring, &looks);
    r->owed = known ? less(r->owed + 2, looks) : 1;
    r->counting = true;
    r->since = mono_now();
    r->mark = ring->req_prod; /* between two questions: it has waited for all answers */
}

void xen_rest_resumed(struct xen_vm *v)
{
    v->rest.since = mono_now();
}

/* It has not looked in time. */
static void give_up(struct xen_vm *v)
{
    v->rest.owed = 0;
    if (++v->rest.unseen == UNSEEN_MAX)
        log_info("domain %u does not look at %s after a suspend: that is not waited for any more",
                 v->domid, XEN_NODE_SHUTDOWN);
}

bool xen_rested(struct hv_vm *vm)
{
    struct xen_vm *v = xen_vm_of(vm);
    struct xen_rest *r = &v->rest;
    ring_t *ring = ring_of(v);
    unsigned looks;

    if (!ring)
        forget(r);
    if (!r->counting)
        return true;
    r->owed = take_looks(r, ring, &looks) ? less(r->owed, looks) : 0;
    if (r->owed && mono_sub(mono_now(), r->since) >= LIMIT_MS * NS_PER_MS)
        give_up(v);
    else if (!r->owed && looks)
        r->unseen = 0;
    r->behind = r->owed && (r->behind || r->owed >= OWED_MAX);
    return !r->behind;
}
