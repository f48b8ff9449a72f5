/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/hv_check.h"

#include <errno.h>

int hv_reap(struct hv *hv, const struct uuid *uuid, struct err *err)
{
    struct err own;

    return hv->ops->reap(hv, uuid, hv_err(err, &own));
}

int hv_replica_size(struct hv *hv, const void *desc, size_t len, struct hv_size *ret,
                    struct err *err)
{
    struct err own;

    if (len > HV_DESC_MAX)
        return hv_breach(err, "description too long");
    if (hv->ops->replica_size(hv, desc, len, ret, hv_err(err, &own)))
        return -1;
    return ret->memory > ret->pages ? hv_backend_breach(err, "replica_size") : 0;
}

int hv_replica_create(struct hv *hv, const void *desc, size_t len, struct hv_replica **ret,
                      struct err *err)
{
    struct err own;

    if (len > HV_DESC_MAX)
        return hv_breach(err, "description too long");
    if (hv->ops->replica_create(hv, desc, len, ret, hv_err(err, &own)))
        return -1;
    return 0;
}

uint64_t hv_replica_pages(const struct hv_replica *r)
{
    return r->ops->replica_pages(r);
}

uint64_t hv_replica_memory(const struct hv_replica *r)
{
    return r->ops->replica_memory(r);
}

const void *hv_replica_page(struct hv_replica *r, uint64_t pfn)
{
    return r->ops->replica_page(r, pfn);
}

int hv_replica_write(struct hv_replica *r, const uint64_t *pfn, const void *const *page, size_t n,
                     struct err *err)
{
    struct err own;
    uint64_t pages = hv_replica_pages(r);

    for (size_t i = 0; i < n; i++) {
        if (pfn[i] >= pages) {
            errno = EINVAL;
            return err_set(err, "", "page %llu is out of range", (unsigned long long)pfn[i]);
        }
    }
    return r->ops->replica_write(r, pfn, page, n, hv_err(err, &own));
}

int hv_replica_set_state(struct hv_replica *r, const void *state, size_t len, struct err *err)
{
    struct err own;

    if (!len || len > HV_STATE_MAX)
        return hv_breach(err, "empty or too long state");
    if (r->ops->replica_set_state(r, state, len, hv_err(err, &own)))
        return -1;
    r->has_state = true;
    return 0;
}

int hv_file_part(struct hv_replica *r, enum hv_file_part part, const uint64_t *pfn, size_t n,
                 void *buf, size_t cap, size_t *ret_len, struct err *err)
{
    struct err own;

    if (!r->has_state || n > HV_FILE_PAGES || (part == HV_FILE_MEMORY) != (n > 0))
        return hv_breach(err, "part of a file without state, or with pages in the wrong place");
    if (r->ops->file_part(r, part, pfn, n, buf, cap, ret_len, hv_err(err, &own)))
        return -1;
    return *ret_len > cap ? hv_backend_breach(err, "file_part") : 0;
}

int hv_activate(struct hv_replica *r, const char *net, struct err *err)
{
    struct err own;

    if (!r->has_state)
        return hv_breach(err, "activate without state");
    return r->ops->activate(r, net, hv_err(err, &own));
}

void hv_discard(struct hv_replica *r)
{
    if (r)
        r->ops->discard(r);
}
