/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_CPUID_H
#define REMUS_XEN_CPUID_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/**
 * A CPU as Xen's stream has it: leaves of CPUID (record X86_CPUID_POLICY: leaf, subleaf, eax, ebx,
 * ecx, edx, each a u32), and MSRs (record X86_MSR_POLICY: index, flags, u32 each; value, u64). What
 * is not there is zero.
 */
#define XEN_CPUID_LEAF          24
#define XEN_CPUID_NO_SUBLEAF_ID UINT32_MAX
#define XEN_MSR_ENTRY           16

struct xen_cpu {
    const uint8_t *cpuid, *msr;
    size_t cpuid_len, msr_len;
};

/**
 * Whether a host that can tell `host` at most is good enough for a guest that was told `guest`.
 * -1 with errno=EINVAL and what is missing.
 */
int xen_cpuid_fits(const struct xen_cpu *guest, const struct xen_cpu *host,
                   struct err *err) MUST_CHECK;

#endif
