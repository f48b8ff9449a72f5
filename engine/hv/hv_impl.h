/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_HV_IMPL_H
#define REMUS_HV_IMPL_H

#include "engine/hv/hv.h"

/**
 * For backends and decorators only: what every handle begins with. A backend embeds the struct as
 * the first member of its own and sets `ops`; the wrappers in hv.c keep the other fields.
 */
struct hv {
    const struct hv_ops *ops;
};

struct hv_vm {
    const struct hv_ops *ops;
    bool stopped, logging, net_taken;
};

struct hv_replica {
    const struct hv_ops *ops;
    bool has_state;
};

extern const struct hv_ops hv_sim_ops;

#endif
