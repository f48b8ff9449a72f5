/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_REPLICA_H
#define REMUS_XEN_REPLICA_H

#include "engine/hv/xen/xen_build.h"

/** Inside of the xen backend's backup side: xen_replica.c keeps it, xen_file.c reads it. */
struct xen_replica {
    struct hv_replica replica;
    struct xen_hv *x;
    struct uuid uuid;
    char name[HV_NAME_MAX]; /* of the VM */
    uint8_t *desc;          /* what it was built from */
    size_t desc_len;
    struct xen_build build;
    bool complete; /* an activation got as far as that libxl was done with it */
    struct xen_mem mem;
    uint64_t memory; /* pages in `mem` */
    uint8_t *state;  /* as save_state packed it */
    size_t state_len;
};

static inline struct xen_replica *xen_replica_of(struct hv_replica *r)
{
    return (struct xen_replica *)r;
}

/** Clears away what is left of a replica that was activated. */
void xen_replica_clear(struct xen_hv *x);

#endif
