/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "engine/hv/xen/xen_host.h"

/*
 * Xen 4.17 itself compares little more than how many CPUID leaves there are. A guest that finds an
 * instruction gone after a failover dies of it, so the words that announce instructions are
 * compared here: whatever the guest was told, this host must be able to tell.
 */
enum reg { A, B, C, D };

struct word {
    uint32_t leaf, subleaf;
    enum reg reg;
    uint32_t ignore; /* bits that are made by the guest or by its topology, or mean a lack */
};

static const struct word words[] = {
    {0x1, 0, C, 1u << 27 | 1u << 31}, /* OSXSAVE, hypervisor present */
    {0x1, 0, D, 1u << 9 | 1u << 28},  /* APIC enabled, more than one thread */
    {0x7, 0, B, 1u << 6 | 1u << 13},  /* FPU data pointer and selectors are not kept */
    {0x7, 0, C, 1u << 4},             /* OSPKE */
    {0x7, 0, D, 0},
    {0x7, 1, A, 0},
    {0xd, 1, A, 0},
    {0x80000001, 0, C, 1u << 1},
    {0x80000001, 0, D, 0x0183f3ff}, /* AMD: copies of leaf 1, made for each guest */
    {0x80000007, 0, D, 0},
    {0x80000008, 0, B, 0},
};

static uint32_t value(const xen_cpuid_leaf_t *leaf, size_t n, const struct word *w)
{
    for (size_t i = 0; i < n; i++) {
        bool whole = leaf[i].subleaf == XEN_CPUID_NO_SUBLEAF;
        if (leaf[i].leaf != w->leaf || (whole ? w->subleaf != 0 : leaf[i].subleaf != w->subleaf))
            continue;
        const uint32_t reg[] = {leaf[i].a, leaf[i].b, leaf[i].c, leaf[i].d};
        return reg[w->reg];
    }
    return 0;
}

static int compare(const xen_cpuid_leaf_t *guest, size_t guests, const xen_cpuid_leaf_t *host,
                   size_t hosts, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        uint32_t lacking = value(guest, guests, &words[i]) & ~value(host, hosts, &words[i]);
        lacking &= ~words[i].ignore;
        if (!lacking)
            continue;
        errno = EINVAL;
        return err_set(err, "restrict the guest with cpuid= so that it fits both hosts",
                       "the CPU here lacks what the guest was promised: CPUID %#x.%u, e%cx, bits "
                       "%#x",
                       words[i].leaf, words[i].subleaf, "abcd"[words[i].reg], lacking);
    }
    return 0;
}

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

    int rc = host ? compare((const xen_cpuid_leaf_t *)desc->cpuid,
                            desc->cpuid_len / sizeof(xen_cpuid_leaf_t), host, hosts, err)
                  : err_errno(err, "", "CPU policy of this host");
    int saved = errno;
    free(host);
    if (policy)
        xc_cpu_policy_destroy(policy);
    errno = saved;
    return rc;
}
