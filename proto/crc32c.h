/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_CRC32C_H
#define REMUS_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The two ways of wire_crc32c (wire.h), which picks one at start-up; apart only for tests. Both
 * take and return the register itself: the caller inverts it before and after.
 */
uint32_t crc32c_portable(uint32_t reg, const uint8_t *p, size_t len);

/** false: this CPU has no CRC32 instruction, and crc32c_hw must not be called. */
bool crc32c_hw_usable(void);
uint32_t crc32c_hw(uint32_t reg, const uint8_t *p, size_t len);

#endif
