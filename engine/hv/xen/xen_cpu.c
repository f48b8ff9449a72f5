/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "engine/hv/xen/format/xen_cpuid.h"
#include "engine/hv/xen/xen_host.h"

_Static_assert(sizeof(xen_cpuid_leaf_t) == XEN_CPUID_LEAF, "as in the stream");
_Static_assert(sizeof(xen_msr_entry_t) == XEN_MSR_ENTRY, "as in the stream");

struct told {
    xen_cpuid_leaf_t *leaf;
    xen_msr_entry_t *msr;
    uint32_t leaves, msrs;
};

/* The most that an HVM guest can be told here. */
static int most(const struct xen_hv *x, xc_cpu_policy_t *policy, struct told *t)
{
    if (!policy || xc_cpu_policy_get_size(x->xch, &t->leaves, &t->msrs) ||
        xc_cpu_policy_get_system(x->xch, XEN_SYSCTL_cpu_policy_hvm_max, policy))
        return -1;
    t->leaf = calloc(t->leaves, sizeof(*t->leaf));
    t->msr = calloc(t->msrs, sizeof(*t->msr));
    if (!t->leaf || !t->msr)
        return -1;
    return xc_cpu_policy_serialise(x->xch, policy, t->leaf, &t->leaves, t->msr, &t->msrs);
}

static int compare(const struct xen_desc *desc, const struct told *t, struct err *err)
{
    const struct xen_cpu guest = {desc->cpuid, desc->msr, desc->cpuid_len, desc->msr_len};
    const struct xen_cpu host = {(const uint8_t *)t->leaf, (const uint8_t *)t->msr,
                                 t->leaves * sizeof(*t->leaf), t->msrs * sizeof(*t->msr)};

    return xen_cpuid_fits(&guest, &host, err);
}

int xen_host_check_cpu(const struct xen_hv *x, const struct xen_desc *desc, struct err *err)
{
    xc_cpu_policy_t *policy = xc_cpu_policy_init();
    struct told t = {0};

    int rc = most(x, policy, &t) ? err_errno(err, "", "CPU policy of this host")
                                 : compare(desc, &t, err);
    int saved = errno;
    free(t.leaf);
    free(t.msr);
    if (policy)
        xc_cpu_policy_destroy(policy);
    errno = saved;
    return rc;
}
