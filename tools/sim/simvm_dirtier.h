/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMVM_DIRTIER_H
#define REMUS_SIMVM_DIRTIER_H

#include "tools/sim/simvm_cpu.h"
#include "tools/sim/simvm_mem.h"

/** Writes one page after another in [first, first + pages): load for a capture to keep up with. */
struct dirtier {
    uint64_t first, pages;
    enum sim_order order;
    enum sim_content content;
};

/** Picks a page by `order` and rewrites it by `content`. */
void dirtier_write(const struct dirtier *d, struct gmem *mem, struct vcpu *cpu);

#endif
