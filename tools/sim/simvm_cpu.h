/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMVM_CPU_H
#define REMUS_SIMVM_CPU_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/**
 * Everything the guest program knows that is not in guest memory. Saved as an opaque blob:
 *   magic u64 | version u32 | words u32 | the words, u64 each | XXH3-64 of all before it
 * all little-endian.
 */
struct vcpu {
    uint64_t step;      /* pattern pages below `cursor` are at step + 1, the others at step */
    uint64_t cursor;    /* next pattern page */
    uint64_t rng;       /* never 0 */
    uint64_t dirty_pos; /* next page of a sequential dirtier */
    uint64_t dirtied;   /* pages written by the dirtier */
    uint64_t answered;  /* frames answered */
};

#define VCPU_STATE_LEN (8 + 4 + 4 + sizeof(struct vcpu) + 8)

void vcpu_reset(struct vcpu *cpu, uint64_t seed);

/** xorshift64*: the same sequence on every host. */
uint64_t vcpu_random(struct vcpu *cpu);

/** Writes VCPU_STATE_LEN octets. */
void vcpu_save(const struct vcpu *cpu, uint8_t *state);

/** -1 with `err` and errno=EINVAL, *cpu untouched, when this is not a whole state. */
int vcpu_load(struct vcpu *cpu, const uint8_t *state, size_t len, struct err *err) MUST_CHECK;

#endif
