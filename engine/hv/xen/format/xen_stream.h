/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_STREAM_H
#define REMUS_XEN_STREAM_H

#include "engine/hv/xen/format/xen_rec.h"

/**
 * Writes the stream that libxl restores an HVM or PVH domain from: libxl's format 2 around libxc's
 * format 3 (Xen: docs/specs/libxl-migration-stream.pandoc and libxc-migration-stream.pandoc).
 *
 *     start, CPUID_POLICY, MSR_POLICY, static_end, fence?, pages*, TSC_INFO, HVM_CONTEXT,
 * HVM_PARAMS, checkpoint?, end
 *
 * The records in capitals are put by xen_rec_put. To a reader that was told to expect a
 * checkpointed stream, what comes before the first checkpoint is no whole domain: if the stream is
 * cut short there, it destroys what it has built. After a checkpoint it would complete the domain.
 */
#define XEN_STREAM_PAGE      4096
#define XEN_STREAM_PAGES_MAX 1024
#define XEN_STREAM_PFN_LIMIT (1ull << 52)

/** Up to and including libxc's domain header. `major` and `minor` are of the Xen that saved. */
void xen_stream_start(struct xen_buf *b, uint32_t major, uint32_t minor);
void xen_stream_static_end(struct xen_buf *b);

/** One PAGE_DATA record of 1 to XEN_STREAM_PAGES_MAX ordinary pages, each pfn below the limit. */
void xen_stream_pages(struct xen_buf *b, const uint64_t *pfn, const void *const *page, size_t n);

/** A record that does nothing (page 0 is a hole so far): once it was read, all before it is done.
 */
void xen_stream_fence(struct xen_buf *b);

/** All before it makes a whole domain. Not in a file, whose readers expect a plain stream. */
void xen_stream_checkpoint(struct xen_buf *b);

/** Ends both formats. */
void xen_stream_end(struct xen_buf *b);

#endif
