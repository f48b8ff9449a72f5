/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMVM_GUEST_H
#define REMUS_SIMVM_GUEST_H

#include "engine/base/err.h"
#include "tools/sim/simvm_cpu.h"
#include "tools/sim/simvm_dirtier.h"
#include "tools/sim/simvm_net.h"
#include "tools/sim/simvm_pace.h"
#include "tools/sim/simvm_pattern.h"

/**
 * The guest program: what it does next depends only on its vCPU state, its memory, the frames it
 * gets and its configuration. Page 0 is never written, pages 1 to 3 are the counter's, the pattern
 * begins at GUEST_PATTERN_PAGE, the dirtier has the end of memory.
 */
#define GUEST_PATTERN_PAGE 16

struct guest {
    struct gmem *mem;
    struct vcpu cpu;
    struct pattern pattern;
    struct dirtier dirtier;
    struct netsvc net;
    struct pace pattern_pace, dirty_pace;
};

/** -1 with `err`: addresses malformed, or memory too small for what is asked. */
int guest_init(struct guest *g, struct gmem *mem, const struct sim_vm_conf *conf,
               struct err *err) MUST_CHECK;

/** Works off what is due, at most until `until` or until somebody wants attention. */
void guest_slice(struct guest *g, struct mono until);

/** Nanoseconds until something is due, 0: now, -1: nothing ever by itself. */
int64_t guest_wait(struct guest *g, struct mono now);

/** Loads a vCPU state that vcpu_save made; -1 with `err`, nothing changed. */
int guest_load(struct guest *g, const uint8_t *state, size_t len, struct err *err) MUST_CHECK;

/** A frame arrived; see net_answer. */
size_t guest_frame(struct guest *g, uint8_t *frame, size_t len, size_t cap);

#endif
