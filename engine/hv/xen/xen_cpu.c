/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "engine/hv/xen/format/xen_cpuid.h"
#include "engine/hv/xen/xen_host.h"

_Static_assert(sizeof(xen_cpuid_leaf_t) == XEN_CPUID_LEAF, "as in the stream");

/* The most that an HVM guest can be told here; the caller's to free. */
static xen_cpuid_leaf_t *host_leaves(const struct xen_hv *x, xc_cpu_policy_t *policy, uint32_t *n)
{
    uint32_t msrs;

    if (!policy || xc_cpu_policy_get_size(x->xch, n, &msrs) ||
        xc_cpu_policy_get_system(x->xch, XEN_SYSCTL_cpu_policy_hvm_max, policy))
        return NULL;
    xen_cpuid_leaf_t *leaf = calloc(*n, sizeof(*leaf));
    xen_msr_entry_t *msr = calloc(msrs, sizeof(*msr));
    int rc = leaf && msr ? xc_cpu_policy_serialise(x->xch, policy, leaf, n, msr, &msrs) : -1;
    free(msr);
    if (rc == 0)
        return leaf;
    free(leaf);
    return NULL;
}

int xen_host_check_cpu(const struct xen_hv *x, const struct xen_desc *desc, struct err *err)
{
    xc_cpu_policy_t *policy = xc_cpu_policy_init();
    uint32_t hosts;
    xen_cpuid_leaf_t *host = host_leaves(x, policy, &hosts);

    int rc = host ? xen_cpuid_fits(desc->cpuid, desc->cpuid_len, (const uint8_t *)host,
                                   hosts * sizeof(*host), err)
                  : err_errno(err, "", "CPU policy of this host");
    int saved = errno;
    free(host);
    if (policy)
        xc_cpu_policy_destroy(policy);
    errno = saved;
    return rc;
}
