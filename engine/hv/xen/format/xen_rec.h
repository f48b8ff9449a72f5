/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_REC_H
#define REMUS_XEN_REC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/compiler.h"

/**
 * Records as Xen's migration stream has them (Xen: docs/specs/libxc-migration-stream.pandoc):
 * {u32 type; u32 length} little-endian, the content, zeroes up to a multiple of 8. The same form
 * serves our own description and state of a VM. Nothing here needs Xen's headers.
 */
#define XEN_REC_END             0x00
#define XEN_REC_PAGE_DATA       0x01
#define XEN_REC_TSC_INFO        0x08
#define XEN_REC_HVM_CONTEXT     0x09
#define XEN_REC_HVM_PARAMS      0x0a
#define XEN_REC_CHECKPOINT      0x0e
#define XEN_REC_STATIC_DATA_END 0x10
#define XEN_REC_CPUID_POLICY    0x11
#define XEN_REC_MSR_POLICY      0x12

#define XEN_REC_HEAD 8

/** Octets being put together: in memory that grows, or in the caller's that does not. */
struct xen_buf {
    uint8_t *data;
    size_t len, cap;
    bool fixed;
    bool failed; /* something did not fit or there was no memory: the content is of no use */
};

/** A buffer that grows: xen_buf_free frees it. */
void xen_buf_init(struct xen_buf *b);
/** The caller's `data`; len goes on counting behind `cap`, to tell how much is needed. */
void xen_buf_fixed(struct xen_buf *b, void *data, size_t cap);
void xen_buf_free(struct xen_buf *b);

void xen_buf_put(struct xen_buf *b, const void *data, size_t len);
void xen_buf_u16(struct xen_buf *b, uint16_t v); /* little-endian, as the two below */
void xen_buf_u32(struct xen_buf *b, uint32_t v);
void xen_buf_u64(struct xen_buf *b, uint64_t v);
void xen_buf_be32(struct xen_buf *b, uint32_t v);
void xen_buf_be64(struct xen_buf *b, uint64_t v);
void xen_buf_zero(struct xen_buf *b, size_t len);

void xen_rec_put(struct xen_buf *b, uint32_t type, const void *data, size_t len);

/**
 * A record whose content is appended directly: begin, put, end. A fixed buffer that became too
 * short only keeps counting.
 */
size_t xen_rec_begin(struct xen_buf *b, uint32_t type);
void xen_rec_end(struct xen_buf *b, size_t begun);

struct xen_rec {
    uint32_t type, len;
    const uint8_t *data;
};

/**
 * The record at data[*at]; moves *at behind it. False at the end, and for octets that are no whole
 * record: *at is `len` only in the first case.
 */
bool xen_rec_next(const uint8_t *data, size_t len, size_t *at, struct xen_rec *ret);

uint32_t xen_get_u32(const uint8_t *at);
uint64_t xen_get_u64(const uint8_t *at);

#endif
