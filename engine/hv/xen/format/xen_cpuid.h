/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_CPUID_H
#define REMUS_XEN_CPUID_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/**
 * CPUID leaves as Xen's stream has them (record X86_CPUID_POLICY): leaf, subleaf, eax, ebx, ecx,
 * edx, each a u32.
 */
#define XEN_CPUID_LEAF          24
#define XEN_CPUID_NO_SUBLEAF_ID UINT32_MAX

/**
 * Whether a host that can tell `host` at most is good enough for a guest that was told `guest`.
 * -1 with errno=EINVAL and what is missing.
 */
int xen_cpuid_fits(const uint8_t *guest, size_t guest_len, const uint8_t *host, size_t host_len,
                   struct err *err) MUST_CHECK;

#endif
