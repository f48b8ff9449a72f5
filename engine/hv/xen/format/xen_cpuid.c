/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/xen/format/xen_cpuid.h"

#include <errno.h>

#include "engine/hv/xen/format/xen_rec.h"

/*
 * Xen 4.17 itself compares little more than how many CPUID leaves there are. A guest that finds an
 * instruction gone after a failover dies of it, and one that was told that its CPU has no hole has
 * left it open; so all words of features that Xen 4.17 to 4.20 knows are compared here: whatever
 * the guest was told, this host must be able to tell.
 */
enum reg { A, B, C, D };

struct word {
    uint32_t leaf, subleaf;
    enum reg reg;
    /* Bits that the guest or its topology makes, that mean a lack, or that tell it what to do on
     * some host to which it may come: VERW is no less safe where it does nothing. */
    uint32_t ignore;
};

static const struct word words[] = {
    {0x1, 0, D, 1u << 9 | 1u << 28},  /* APIC enabled, more than one thread */
    {0x1, 0, C, 1u << 27 | 1u << 31}, /* OSXSAVE, hypervisor present */
    {0x80000001, 0, D, 0x0183f3ff},   /* AMD: copies of leaf 1, made for each guest */
    {0x80000001, 0, C, 1u << 1},      /* more than one core */
    {0xd, 1, A, 0},
    {0x7, 0, B, 1u << 6 | 1u << 13}, /* FPU data pointer and selectors are not kept */
    {0x7, 0, C, 1u << 4},            /* OSPKE */
    {0x80000007, 0, D, 0},
    {0x80000008, 0, B, 1u << 20}, /* EFER.LMSLE is gone */
    {0x7, 0, D, 1u << 10},        /* VERW clears buffers */
    {0x7, 1, A, 0},
    {0x80000021, 0, A, 1u << 1 | 1u << 5}, /* FS and GS bases do not serialise; VERW again */
    {0x7, 1, B, 0},
    {0x7, 2, D, 0},
    {0x7, 1, C, 0},
    {0x7, 1, D, 0},
    {0x80000021, 0, C, 0},
};

/* The only MSR of features that a guest is told; where its CPUID bit is not set, it is zero. */
#define ARCH_CAPABILITIES 0x10a
/* Return predictions are not safe, of two kinds; VERW clears two kinds of buffers. */
#define ARCH_IGNORE (1u << 2 | 1u << 19 | 1u << 17 | 1u << 28)

#define LACKS "the CPU here lacks what the guest was promised: "
#define HINT  "restrict the guest with cpuid= so that it fits both hosts"

static uint32_t word_of(const struct xen_cpu *cpu, const struct word *w)
{
    for (size_t at = 0; at + XEN_CPUID_LEAF <= cpu->cpuid_len; at += XEN_CPUID_LEAF) {
        const uint8_t *leaf = cpu->cpuid + at;
        uint32_t subleaf = xen_get_u32(leaf + 4);
        if (subleaf == XEN_CPUID_NO_SUBLEAF_ID)
            subleaf = 0;
        if (xen_get_u32(leaf) == w->leaf && subleaf == w->subleaf)
            return xen_get_u32(leaf + 8 + 4 * w->reg);
    }
    return 0;
}

static uint64_t msr_of(const struct xen_cpu *cpu, uint32_t index)
{
    for (size_t at = 0; at + XEN_MSR_ENTRY <= cpu->msr_len; at += XEN_MSR_ENTRY) {
        if (xen_get_u32(cpu->msr + at) == index)
            return xen_get_u64(cpu->msr + at + 8);
    }
    return 0;
}

int xen_cpuid_fits(const struct xen_cpu *guest, const struct xen_cpu *host, struct err *err)
{
    errno = EINVAL;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const struct word *w = &words[i];
        uint32_t lacking = word_of(guest, w) & ~word_of(host, w) & ~w->ignore;
        if (lacking)
            return err_set(err, HINT, LACKS "CPUID %#x.%u, e%cx, bits %#x", w->leaf, w->subleaf,
                           "abcd"[w->reg], lacking);
    }
    uint64_t lacking = msr_of(guest, ARCH_CAPABILITIES) & ~msr_of(host, ARCH_CAPABILITIES);
    lacking &= ~(uint64_t)ARCH_IGNORE;
    if (lacking)
        return err_set(err, HINT, LACKS "MSR %#x, bits %#llx", ARCH_CAPABILITIES,
                       (unsigned long long)lacking);
    return 0;
}
