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
    void (*waiting)(void *arg);
    void *waiting_arg;
};

struct hv_replica {
    const struct hv_ops *ops;
    bool has_state;
};

/** For a backend whose `stop` waits: every 50 ms or so. */
static inline void hv_waiting(const struct hv_vm *vm)
{
    if (vm->waiting)
        vm->waiting(vm->waiting_arg);
}

extern const struct hv_ops hv_sim_ops;

#endif
