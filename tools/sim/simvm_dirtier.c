/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simvm_dirtier.h"

#include <string.h>

#define SPARSE_WORDS 4

static uint64_t pick(const struct dirtier *d, struct vcpu *cpu)
{
    uint64_t hot = d->pages / 10 ? d->pages / 10 : 1, page;

    switch (d->order) {
    case SIM_ORDER_SEQ:
        page = cpu->dirty_pos;
        cpu->dirty_pos = (cpu->dirty_pos + 1) % d->pages;
        return page;
    case SIM_ORDER_HOT:
        if (vcpu_random(cpu) % 10)
            return vcpu_random(cpu) % hot;
        break;
    case SIM_ORDER_RANDOM:
        break;
    }
    return vcpu_random(cpu) % d->pages;
}

static void fill_random(struct vcpu *cpu, uint8_t *page)
{
    for (size_t at = 0; at < SIM_PAGE_SIZE; at += 8) {
        uint64_t word = vcpu_random(cpu);
        memcpy(page + at, &word, 8);
    }
}

/* Words of a small vocabulary between blanks: about as compressible as a log file. */
static void fill_text(struct vcpu *cpu, uint8_t *page)
{
    static const char words[32][8] = {
        "error",  "the",  "request", "of",   "client", "was",  "sent",  "to",
        "server", "and",  "reply",   "in",   "time",   "with", "code",  "at",
        "index",  "from", "session", "user", "by",     "page", "queue", "a",
        "write",  "read", "status",  "on",   "memory", "host", "value", "not"};
    uint64_t bits = 0;
    size_t at = 0;

    while (at <= SIM_PAGE_SIZE - 8) {
        if (bits < 32)
            bits = vcpu_random(cpu) | 1ull << 63;
        const char *word = words[bits % 32];
        bits /= 32;
        /* Whole cells are copied, the next word begins behind the letters. */
        memcpy(page + at, word, 8);
        at += strlen(word);
        page[at++] = ' ';
    }
    memset(page + at, '\n', SIM_PAGE_SIZE - at);
}

static void write_sparse(struct gmem *mem, struct vcpu *cpu, uint64_t addr)
{
    for (int i = 0; i < SPARSE_WORDS; i++)
        gmem_write64(mem, addr + vcpu_random(cpu) % (SIM_PAGE_SIZE / 8) * 8, vcpu_random(cpu));
}

void dirtier_write(const struct dirtier *d, struct gmem *mem, struct vcpu *cpu)
{
    uint64_t addr = (d->first + pick(d, cpu)) * SIM_PAGE_SIZE;
    uint8_t page[SIM_PAGE_SIZE + 8];

    cpu->dirtied++;
    switch (d->content) {
    case SIM_CONTENT_SPARSE:
        write_sparse(mem, cpu, addr);
        return;
    case SIM_CONTENT_ZERO:
        memset(page, 0, SIM_PAGE_SIZE);
        break;
    case SIM_CONTENT_TEXT:
        fill_text(cpu, page);
        break;
    case SIM_CONTENT_RANDOM:
        fill_random(cpu, page);
        break;
    }
    gmem_write(mem, addr, page, SIM_PAGE_SIZE);
}
