/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_BUILD_H
#define REMUS_XEN_BUILD_H

#include "engine/hv/xen/format/xen_desc.h"
#include "engine/hv/xen/xen_impl.h"

/**
 * A replica's building site: libxl restores a domain in a process of its own, from a stream that
 * this process writes. libxl has made the domain and waits for the rest of the stream for as long
 * as the replica is one. If the stream ends early, because this process died or gave up, libxl
 * destroys the domain.
 */
struct xen_build {
    struct xen_job job;
    int feed; /* our end of the stream; -1: none */
    uint32_t domid;
};

/** Starts it and returns when the domain is there, without memory. EINVAL, ENOMEM, ETIMEDOUT, EIO.
 */
int xen_build_start(struct xen_build *b, const struct xen_hv *x, const struct xen_desc *desc,
                    const struct uuid *uuid, struct err *err) MUST_CHECK;

/** It can still be finished. */
bool xen_build_alive(const struct xen_build *b);

/**
 * Writes the rest of the stream and waits until the domain is complete, with its devices, and
 * paused. On -1 there is no domain any more.
 */
int xen_build_finish(struct xen_build *b, const uint8_t *state, size_t len,
                     struct err *err) MUST_CHECK;

/**
 * The end of it. If it is finished, its process tidies up and ends; if not, libxl destroys the
 * domain, or the caller has to, by its UUID.
 */
void xen_build_leave(struct xen_build *b);

#endif
