/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/hv/xen/xen_vm.h"

/*
 * Whose a domain's dirty log is. Xen does not even say whether there is one: a page is marked, or
 * was by whoever signed, and its mark looked for by PEEK, which takes none away.
 */

/* Marked to see whether a log is on: any Linux has memory there, and the canary is before it. */
#define PROBE_PFN   64
#define PROBE_PAGES 8
/* The canary is the first page of memory: what claims to be one beyond this is none. */
#define CANARY_BELOW (1u << 20)

static void mark_path(uint32_t domid, char path[XEN_PATH_MAX])
{
    snprintf(path, XEN_PATH_MAX, "/libxl/%u/remus/dirty-log", domid);
}

int xen_log_sign(const struct xen_hv *x, uint32_t domid, uint64_t canary)
{
    char path[XEN_PATH_MAX], value[24];

    mark_path(domid, path);
    snprintf(value, sizeof(value), "%" PRIu64, canary);
    return xen_xs_write(x, path, value);
}

void xen_log_unsign(const struct xen_hv *x, uint32_t domid)
{
    char path[XEN_PATH_MAX];

    mark_path(domid, path);
    xs_rm(x->xs, XBT_NULL, path);
}

/* Whether one of `count` pages is marked; they lie in one word of the bitmap. */
static bool marked(const struct xen_hv *x, uint32_t domid, uint64_t pfn, unsigned count)
{
    size_t word = (size_t)(pfn / 64);
    DECLARE_HYPERCALL_BUFFER(unsigned long, bits);

    bits = xc_hypercall_buffer_alloc(x->xch, bits, (word + 1) * sizeof(*bits));
    if (!bits)
        return false;
    bool found = xc_logdirty_control(x->xch, domid, XEN_DOMCTL_SHADOW_OP_PEEK,
                                     HYPERCALL_BUFFER(bits), pfn + count, 0, NULL) >= 0 &&
                 (bits[word] >> pfn % 64 & ((1ul << count) - 1)) != 0;
    xc_hypercall_buffer_free(x->xch, bits);
    return found;
}

bool xen_log_ours(const struct xen_hv *x, uint32_t domid)
{
    char path[XEN_PATH_MAX];

    mark_path(domid, path);
    char *value = xen_xs_read(x, "%s", path);
    uint64_t canary = value ? strtoull(value, NULL, 10) : CANARY_BELOW;
    free(value);
    /* Another tool takes a log that is on for left behind, and starts its own: without our mark. */
    return canary < CANARY_BELOW && marked(x, domid, canary, 1);
}

bool xen_log_is_on(const struct xen_hv *x, uint32_t domid)
{
    xendevicemodel_handle *dmod = xendevicemodel_open(x->log, 0);
    bool on = dmod &&
              xendevicemodel_modified_memory(dmod, (domid_t)domid, PROBE_PFN, PROBE_PAGES) == 0 &&
              marked(x, domid, PROBE_PFN, PROBE_PAGES);

    if (dmod)
        xendevicemodel_close(dmod);
    return on;
}
