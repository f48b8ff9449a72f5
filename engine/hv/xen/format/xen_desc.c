/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/xen/format/xen_desc.h"

#include <errno.h>
#include <string.h>

#define MAGIC_LEN  8 /* text and zeroes: what follows stays aligned */
#define RANGE_LEN  16
#define CPUID_LEAF 24
#define MSR_ENTRY  16
#define TSC_LEN    24
#define PARAM_LEN  16
#define PARAMS_MAX 64

enum { DESC_SIZE = 0x100, DESC_CONFIG, DESC_RANGES };

static const char desc_magic[MAGIC_LEN] = "RXD1";
static const char state_magic[MAGIC_LEN] = "RXS1";

struct xen_range xen_desc_range(const struct xen_desc *d, size_t i)
{
    const uint8_t *at = d->ranges + i * RANGE_LEN;

    return (struct xen_range){xen_get_u64(at), xen_get_u64(at + 8)};
}

uint64_t xen_desc_memory(const struct xen_desc *d)
{
    uint64_t pages = 0;

    for (size_t i = 0; i < d->range_count; i++)
        pages += xen_desc_range(d, i).count;
    return pages;
}

void xen_desc_put_range(struct xen_buf *b, uint64_t first, uint64_t count)
{
    xen_buf_u64(b, first);
    xen_buf_u64(b, count);
}

void xen_desc_pack(const struct xen_desc *d, struct xen_buf *b)
{
    xen_buf_put(b, desc_magic, MAGIC_LEN);
    size_t begun = xen_rec_begin(b, DESC_SIZE);
    xen_buf_u64(b, d->pages);
    xen_buf_u32(b, d->xen_major);
    xen_buf_u32(b, d->xen_minor);
    xen_rec_end(b, begun);
    xen_rec_put(b, DESC_CONFIG, d->config, strlen(d->config) + 1);
    xen_rec_put(b, XEN_REC_CPUID_POLICY, d->cpuid, d->cpuid_len);
    xen_rec_put(b, XEN_REC_MSR_POLICY, d->msr, d->msr_len);
    xen_rec_put(b, DESC_RANGES, d->ranges, d->range_count * RANGE_LEN);
}

static int malformed(struct err *err, const char *what)
{
    errno = EINVAL;
    return err_set(err, "both hosts need the same version of this program", "malformed %s", what);
}

static bool take_size(struct xen_desc *d, const struct xen_rec *rec)
{
    if (rec->len != 16)
        return false;
    d->pages = xen_get_u64(rec->data);
    d->xen_major = xen_get_u32(rec->data + 8);
    d->xen_minor = xen_get_u32(rec->data + 12);
    return d->pages > 0 && d->pages <= XEN_DESC_PAGES_MAX;
}

static bool take_config(struct xen_desc *d, const struct xen_rec *rec)
{
    d->config = (const char *)rec->data;
    return rec->len > 1 && memchr(rec->data, '\0', rec->len) == rec->data + rec->len - 1;
}

static bool take_ranges(struct xen_desc *d, const struct xen_rec *rec)
{
    uint64_t free_from = 0;

    d->ranges = rec->data;
    d->range_count = rec->len / RANGE_LEN;
    for (size_t i = 0; i < d->range_count; i++) {
        struct xen_range r = xen_desc_range(d, i);
        if (r.first < free_from || r.first >= d->pages || !r.count || r.count > d->pages - r.first)
            return false;
        free_from = r.first + r.count;
    }
    return rec->len % RANGE_LEN == 0 && d->range_count > 0;
}

static bool take(struct xen_desc *d, const struct xen_rec *rec)
{
    switch (rec->type) {
    case DESC_SIZE:
        return !d->pages && take_size(d, rec);
    case DESC_CONFIG:
        return !d->config && take_config(d, rec);
    case DESC_RANGES:
        return d->pages && !d->ranges && take_ranges(d, rec);
    case XEN_REC_CPUID_POLICY:
        d->cpuid = rec->data;
        d->cpuid_len = rec->len;
        return rec->len % CPUID_LEAF == 0;
    case XEN_REC_MSR_POLICY:
        d->msr = rec->data;
        d->msr_len = rec->len;
        return rec->len % MSR_ENTRY == 0;
    default:
        return false;
    }
}

int xen_desc_parse(const void *data, size_t len, struct xen_desc *ret, struct err *err)
{
    const uint8_t *octets = data;
    size_t at = MAGIC_LEN;
    struct xen_rec rec;

    *ret = (struct xen_desc){0};
    if (len < MAGIC_LEN || memcmp(octets, desc_magic, MAGIC_LEN) != 0)
        return malformed(err, "description of the VM");
    while (xen_rec_next(octets, len, &at, &rec)) {
        if (!take(ret, &rec))
            return malformed(err, "record in the description of the VM");
    }
    if (at != len || !ret->pages || !ret->config || !ret->ranges || !ret->cpuid || !ret->msr)
        return malformed(err, "description of the VM: a part is missing");
    return 0;
}

void xen_state_begin(struct xen_buf *b)
{
    xen_buf_put(b, state_magic, MAGIC_LEN);
}

static bool state_record(const struct xen_rec *rec, size_t place)
{
    static const uint32_t order[] = {XEN_REC_TSC_INFO, XEN_REC_HVM_CONTEXT, XEN_REC_HVM_PARAMS};

    if (place >= ARRAY_LEN(order) || rec->type != order[place])
        return false;
    switch (rec->type) {
    case XEN_REC_TSC_INFO:
        return rec->len == TSC_LEN;
    case XEN_REC_HVM_PARAMS:
        return rec->len >= 8 && xen_get_u32(rec->data) <= PARAMS_MAX &&
               rec->len == 8 + xen_get_u32(rec->data) * PARAM_LEN;
    default:
        return rec->len > 0;
    }
}

int xen_state_check(const void *data, size_t len, const uint8_t **ret, size_t *ret_len,
                    struct err *err)
{
    const uint8_t *octets = data;
    size_t at = MAGIC_LEN, count = 0;
    struct xen_rec rec;

    if (len < MAGIC_LEN || memcmp(octets, state_magic, MAGIC_LEN) != 0)
        return malformed(err, "state of the VM");
    while (xen_rec_next(octets, len, &at, &rec)) {
        if (!state_record(&rec, count++))
            return malformed(err, "record in the state of the VM");
    }
    if (at != len || count != 3)
        return malformed(err, "state of the VM: a part is missing");
    *ret = octets + MAGIC_LEN;
    *ret_len = len - MAGIC_LEN;
    return 0;
}
