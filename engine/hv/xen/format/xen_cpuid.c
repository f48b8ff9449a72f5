/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/xen/format/xen_cpuid.h"

#include <errno.h>

#include "engine/hv/xen/format/xen_rec.h"

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

static uint32_t value(const uint8_t *leaves, size_t len, const struct word *w)
{
    for (size_t at = 0; at + XEN_CPUID_LEAF <= len; at += XEN_CPUID_LEAF) {
        uint32_t subleaf = xen_get_u32(leaves + at + 4);
        if (subleaf == XEN_CPUID_NO_SUBLEAF_ID)
            subleaf = 0;
        if (xen_get_u32(leaves + at) == w->leaf && subleaf == w->subleaf)
            return xen_get_u32(leaves + at + 8 + 4 * w->reg);
    }
    return 0;
}

int xen_cpuid_fits(const uint8_t *guest, size_t guest_len, const uint8_t *host, size_t host_len,
                   struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        uint32_t lacking = value(guest, guest_len, &words[i]) & ~value(host, host_len, &words[i]);
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
