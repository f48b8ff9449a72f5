/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "engine/hv/xen/format/xen_stream.h"
#include "engine/hv/xen/format/xen_xl_file.h"
#include "engine/hv/xen/xen_replica.h"

/* The replica as a file for `xl restore`: what libxl was fed with to build it, and its memory. */

static int put_head(const struct xen_replica *s, struct xen_buf *b, struct err *err)
{
    struct xen_desc d;

    if (xen_desc_parse(s->desc, s->desc_len, &d, err))
        return -1;
    xen_xl_file_head(b, d.config);
    xen_stream_start(b, d.xen_major, d.xen_minor);
    xen_rec_put(b, XEN_REC_CPUID_POLICY, d.cpuid, d.cpuid_len);
    xen_rec_put(b, XEN_REC_MSR_POLICY, d.msr, d.msr_len);
    xen_stream_static_end(b);
    return 0;
}

/* A page that is all zero is written as well: for the restored VM what is not there is a hole. */
static void put_memory(const struct xen_replica *s, const uint64_t *pfn, size_t n,
                       struct xen_buf *b)
{
    uint64_t there[HV_FILE_PAGES];
    const void *page[HV_FILE_PAGES];
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        if (pfn[i] >= s->mem.pages || !bitmap_test(&s->mem.ram, pfn[i]))
            continue;
        there[count] = pfn[i];
        page[count++] = s->mem.base + pfn[i] * HV_PAGE_SIZE;
    }
    if (count)
        xen_stream_pages(b, there, page, count);
}

static int put_tail(const struct xen_replica *s, struct xen_buf *b, struct err *err)
{
    const uint8_t *records;
    size_t len;

    if (xen_state_check(s->state, s->state_len, &records, &len, err))
        return -1;
    xen_buf_put(b, records, len);
    xen_stream_end(b);
    return 0;
}

int xen_file_part(struct hv_replica *r, enum hv_file_part part, const uint64_t *pfn, size_t n,
                  void *buf, size_t cap, size_t *ret_len, struct err *err)
{
    const struct xen_replica *s = xen_replica_of(r);
    struct xen_buf b;
    int rc = 0;

    xen_buf_fixed(&b, buf, cap);
    if (part == HV_FILE_HEAD)
        rc = put_head(s, &b, err);
    else if (part == HV_FILE_MEMORY)
        put_memory(s, pfn, n, &b);
    else
        rc = put_tail(s, &b, err);
    *ret_len = b.len;
    if (rc || !b.failed)
        return rc;
    errno = ENOBUFS;
    return err_errno(err, "", "part of a file");
}
