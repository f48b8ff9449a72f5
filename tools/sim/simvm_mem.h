/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMVM_MEM_H
#define REMUS_SIMVM_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/compiler.h"
#include "engine/hv/sim/sim_proto.h"

/**
 * Guest memory and its dirty log, both in sealed memfds that others may map: the size never changes
 * under them. The guest writes only through gmem_write*, which is what makes the log exact.
 * Addresses are guest-physical octets and the callers' to keep inside memory.
 */
struct gmem {
    int mem_fd, log_fd;
    uint8_t *base;
    size_t size;
    uint64_t pages;
    struct sim_shared *shared;
    uint64_t *log; /* bitmap */
    size_t log_size;
};

/** Zeroed memory; nothing is allocated before it is written. -1 with errno. */
int gmem_open(struct gmem *m, uint64_t pages) MUST_CHECK;
void gmem_close(struct gmem *m);

/** Writes, then marks the pages dirty while the log is on. */
void gmem_write(struct gmem *m, uint64_t addr, const void *src, size_t len);
void gmem_write64(struct gmem *m, uint64_t addr, uint64_t value);

/** Little-endian word. */
uint64_t gmem_read64(const struct gmem *m, uint64_t addr);

/** Switching on marks every page dirty. */
void gmem_log(struct gmem *m, bool on);

/** Somebody is about to send a request. */
bool gmem_attention(const struct gmem *m);
void gmem_attention_clear(struct gmem *m);

#endif
