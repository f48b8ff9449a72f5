/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMVM_PATTERN_H
#define REMUS_SIMVM_PATTERN_H

#include "tools/sim/simvm_cpu.h"
#include "tools/sim/simvm_mem.h"

/**
 * The self-checking pattern over guest pages [first, first + pages). Each page holds its step in
 * PATTERN_WORDS words spread from its first to its last octet, mixed with page number, place and
 * seed; a page at step 0 is all zero. Pages are stepped in order, so in a valid image the pages
 * below the vCPU's cursor are one step ahead of the rest: a lost, stale, misplaced or torn page, or
 * a vCPU state of another moment, is visible.
 */
#define PATTERN_WORDS 17

struct pattern {
    uint64_t first, pages, seed;
};

struct pattern_result {
    uint64_t bad;       /* pages that are not as they must be */
    uint64_t first_bad; /* page frame, valid when bad > 0 */
    uint64_t want;      /* step that page should have */
    uint64_t found;     /* step its first word has */
    bool torn;          /* its words disagree about the step */
};

/** Brings the next page one step ahead. */
void pattern_step(const struct pattern *p, struct gmem *mem, struct vcpu *cpu);

/** Compares the whole pattern with what the vCPU state says. */
void pattern_check(const struct pattern *p, const struct gmem *mem, const struct vcpu *cpu,
                   struct pattern_result *ret);

#endif
