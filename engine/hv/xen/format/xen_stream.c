/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/xen/format/xen_stream.h"

#define LIBXL_IDENT          0x4c6962786c466d74ull /* "LibxlFmt" */
#define LIBXL_VERSION_2      2
#define LIBXL_END            0
#define LIBXL_LIBXC_CONTEXT  1
#define LIBXL_CHECKPOINT_END 4

#define LIBXC_MARKER    UINT64_MAX
#define LIBXC_ID        0x58454e46 /* "XENF" */
#define LIBXC_VERSION_3 3
#define DOMAIN_HVM      2 /* PVH too */
#define PAGE_SHIFT_4K   12
#define TYPE_HOLE       0xf /* of a page: no memory there, and no content in the stream */

void xen_stream_start(struct xen_buf *b, uint32_t major, uint32_t minor)
{
    xen_buf_be64(b, LIBXL_IDENT);
    xen_buf_be32(b, LIBXL_VERSION_2);
    xen_buf_be32(b, 0); /* options: little-endian, not converted */
    xen_rec_put(b, LIBXL_LIBXC_CONTEXT, NULL, 0);

    xen_buf_u64(b, LIBXC_MARKER);
    xen_buf_be32(b, LIBXC_ID);
    xen_buf_be32(b, LIBXC_VERSION_3);
    xen_buf_zero(b, 8); /* options: little-endian */

    xen_buf_u32(b, DOMAIN_HVM);
    xen_buf_u16(b, PAGE_SHIFT_4K);
    xen_buf_u16(b, 0);
    xen_buf_u32(b, major);
    xen_buf_u32(b, minor);
}

void xen_stream_static_end(struct xen_buf *b)
{
    xen_rec_put(b, XEN_REC_STATIC_DATA_END, NULL, 0);
}

void xen_stream_pages(struct xen_buf *b, const uint64_t *pfn, const void *const *page, size_t n)
{
    size_t begun = xen_rec_begin(b, XEN_REC_PAGE_DATA);

    xen_buf_u32(b, (uint32_t)n);
    xen_buf_u32(b, 0);
    for (size_t i = 0; i < n; i++)
        xen_buf_u64(b, pfn[i]); /* type 0, an ordinary page, in the upper bits */
    for (size_t i = 0; i < n; i++)
        xen_buf_put(b, page[i], XEN_STREAM_PAGE);
    xen_rec_end(b, begun);
}

void xen_stream_fence(struct xen_buf *b)
{
    size_t begun = xen_rec_begin(b, XEN_REC_PAGE_DATA);

    xen_buf_u32(b, 1);
    xen_buf_u32(b, 0);
    xen_buf_u64(b, (uint64_t)TYPE_HOLE << 60);
    xen_rec_end(b, begun);
}

void xen_stream_checkpoint(struct xen_buf *b)
{
    xen_rec_put(b, XEN_REC_CHECKPOINT, NULL, 0);
    xen_rec_put(b, LIBXL_CHECKPOINT_END, NULL, 0);
}

void xen_stream_end(struct xen_buf *b)
{
    xen_rec_put(b, XEN_REC_END, NULL, 0);
    xen_rec_put(b, LIBXL_END, NULL, 0);
}
