/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/xen/format/xen_rec.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define GROW_MIN 4096

void xen_buf_init(struct xen_buf *b)
{
    *b = (struct xen_buf){0};
}

void xen_buf_fixed(struct xen_buf *b, void *data, size_t cap)
{
    *b = (struct xen_buf){.data = data, .cap = cap, .fixed = true};
}

void xen_buf_free(struct xen_buf *b)
{
    if (!b->fixed)
        free(b->data);
    *b = (struct xen_buf){0};
}

static bool room(struct xen_buf *b, size_t len)
{
    if (b->failed || len > SIZE_MAX / 4 - b->len)
        return false;
    if (len <= b->cap - b->len)
        return true;
    if (b->fixed)
        return false;
    size_t cap = (b->len + len) * 2 < GROW_MIN ? GROW_MIN : (b->len + len) * 2;
    uint8_t *data = realloc(b->data, cap);
    if (!data)
        return false;
    b->data = data;
    b->cap = cap;
    return true;
}

void xen_buf_put(struct xen_buf *b, const void *data, size_t len)
{
    if (!room(b, len))
        b->failed = true;
    else if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
}

void xen_buf_u16(struct xen_buf *b, uint16_t v)
{
    v = htole16(v);
    xen_buf_put(b, &v, sizeof(v));
}

void xen_buf_u32(struct xen_buf *b, uint32_t v)
{
    v = htole32(v);
    xen_buf_put(b, &v, sizeof(v));
}

void xen_buf_u64(struct xen_buf *b, uint64_t v)
{
    v = htole64(v);
    xen_buf_put(b, &v, sizeof(v));
}

void xen_buf_be32(struct xen_buf *b, uint32_t v)
{
    v = htobe32(v);
    xen_buf_put(b, &v, sizeof(v));
}

void xen_buf_be64(struct xen_buf *b, uint64_t v)
{
    v = htobe64(v);
    xen_buf_put(b, &v, sizeof(v));
}

void xen_buf_zero(struct xen_buf *b, size_t len)
{
    static const uint8_t zero[64];

    for (size_t n; len; len -= n) {
        n = len < sizeof(zero) ? len : sizeof(zero);
        xen_buf_put(b, zero, n);
    }
}

size_t xen_rec_begin(struct xen_buf *b, uint32_t type)
{
    xen_buf_u32(b, type);
    xen_buf_u32(b, 0);
    return b->len;
}

void xen_rec_end(struct xen_buf *b, size_t begun)
{
    size_t len = b->len - begun;
    uint32_t le = htole32((uint32_t)len);

    xen_buf_zero(b, -len & 7);
    if (!b->failed)
        memcpy(b->data + begun - sizeof(le), &le, sizeof(le));
}

void xen_rec_put(struct xen_buf *b, uint32_t type, const void *data, size_t len)
{
    size_t begun = xen_rec_begin(b, type);

    xen_buf_put(b, data, len);
    xen_rec_end(b, begun);
}

bool xen_rec_next(const uint8_t *data, size_t len, size_t *at, struct xen_rec *ret)
{
    size_t left = len - *at;

    if (left < XEN_REC_HEAD)
        return false;
    ret->type = xen_get_u32(data + *at);
    ret->len = xen_get_u32(data + *at + 4);
    ret->data = data + *at + XEN_REC_HEAD;
    size_t padded = ((size_t)ret->len + 7) & ~(size_t)7;
    if (padded > left - XEN_REC_HEAD)
        return false;
    *at += XEN_REC_HEAD + padded;
    return true;
}

uint32_t xen_get_u32(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return le32toh(v);
}

uint64_t xen_get_u64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return le64toh(v);
}
