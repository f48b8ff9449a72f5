/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_DESC_H
#define REMUS_XEN_DESC_H

#include "engine/base/err.h"
#include "engine/hv/xen/format/xen_rec.h"

/**
 * What the `xen` backend's describe hands to replica_create: "RXD1" and records. All of it comes
 * from another host and is checked here before anything is built from it.
 */
#define XEN_DESC_PAGES_MAX (1ull << 36) /* 256 TiB */

struct xen_range {
    uint64_t first, count; /* page frames that are memory */
};

/** Pointers lead into the parsed octets, or are the caller's when packing. */
struct xen_desc {
    uint64_t pages; /* highest page frame + 1 */
    uint32_t xen_major, xen_minor;
    const char *config; /* libxl_domain_config as JSON, NUL-terminated */
    const uint8_t *cpuid, *msr;
    size_t cpuid_len, msr_len;
    const uint8_t *ranges; /* see xen_desc_range */
    size_t range_count;
};

/** Ascending and apart. */
struct xen_range xen_desc_range(const struct xen_desc *d, size_t i);
/** Pages in all of them. */
uint64_t xen_desc_memory(const struct xen_desc *d);
void xen_desc_put_range(struct xen_buf *b, uint64_t first, uint64_t count);

void xen_desc_pack(const struct xen_desc *d, struct xen_buf *b);

/** -1 with errno=EINVAL for what is malformed, of another version or contradicts itself. */
int xen_desc_parse(const void *data, size_t len, struct xen_desc *ret, struct err *err) MUST_CHECK;

/**
 * The state of a stopped VM: "RXS1" and the records TSC_INFO, HVM_CONTEXT, HVM_PARAMS, each once
 * and in this order, as the stream has them.
 */
void xen_state_begin(struct xen_buf *b);

/** The three records, ready for the stream, in *ret. -1 with errno=EINVAL. */
int xen_state_check(const void *data, size_t len, const uint8_t **ret, size_t *ret_len,
                    struct err *err) MUST_CHECK;

#endif
