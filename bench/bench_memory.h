/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BENCH_MEMORY_H
#define REMUS_BENCH_MEMORY_H

#include <stdint.h>
#include <sys/types.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/** A VM's memory, mapped from outside; memory_unmap. NULL with err. */
uint8_t *memory_map(pid_t vm, size_t size, struct err *err) MUST_CHECK;
void memory_unmap(uint8_t *memory, size_t size);

/** Private memory that is backed already. NULL with err. */
uint8_t *memory_new(size_t size, struct err *err) MUST_CHECK;

/**
 * Touches `size` octets of memory and gives them back, so that the kernel hands out memory that is
 * there: on a virtual machine the first touch of a page is its host's work, ten times slower, and
 * would be measured instead. A host that takes free memory back does so after about two seconds.
 * -1 with err.
 */
int memory_warm(size_t size, struct err *err) MUST_CHECK;

#endif
