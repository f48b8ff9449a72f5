/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simvm_pattern.h"

#include <string.h>

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ull;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ull;
    return x ^ x >> 32;
}

/* Places 0, 256, ..., 3840 and the last word of the page. */
static uint64_t place(unsigned i)
{
    return i < PATTERN_WORDS - 1 ? i * 256ull : SIM_PAGE_SIZE - 8;
}

/* What is added to the step at place `i` of a page. */
static uint64_t salt(const struct pattern *p, uint64_t pfn, unsigned i)
{
    return mix(p->seed + pfn * 0x9e3779b97f4a7c15ull + i);
}

void pattern_step(const struct pattern *p, struct gmem *mem, struct vcpu *cpu)
{
    uint64_t pfn = p->first + cpu->cursor, addr = pfn * SIM_PAGE_SIZE;

    for (unsigned i = 0; i < PATTERN_WORDS; i++)
        gmem_write64(mem, addr + place(i), cpu->step + 1 + salt(p, pfn, i));
    if (++cpu->cursor == p->pages) {
        cpu->cursor = 0;
        cpu->step++;
    }
}

/* The step that the word at place `i` speaks of. */
static uint64_t step_at(const struct pattern *p, const struct gmem *mem, uint64_t pfn, unsigned i)
{
    uint64_t word = gmem_read64(mem, pfn * SIM_PAGE_SIZE + place(i));

    return word ? word - salt(p, pfn, i) : 0;
}

static void check_page(const struct pattern *p, const struct gmem *mem, uint64_t pfn, uint64_t want,
                       struct pattern_result *ret)
{
    uint64_t found = step_at(p, mem, pfn, 0);
    bool torn = false;

    for (unsigned i = 1; i < PATTERN_WORDS; i++)
        torn |= step_at(p, mem, pfn, i) != found;
    if (!torn && found == want)
        return;
    if (!ret->bad++) {
        ret->first_bad = pfn;
        ret->want = want;
        ret->found = found;
        ret->torn = torn;
    }
}

void pattern_check(const struct pattern *p, const struct gmem *mem, const struct vcpu *cpu,
                   struct pattern_result *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (uint64_t i = 0; i < p->pages; i++)
        check_page(p, mem, p->first + i, cpu->step + (i < cpu->cursor), ret);
}
