/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_INET_SUM_H
#define REMUS_INET_SUM_H

#include <stddef.h>
#include <stdint.h>

/**
 * The Internet checksum (RFC 1071) over pieces: start with 0, add every piece (all but the last of
 * even length), then finish. `sum` is a running value with no meaning of its own.
 */
uint64_t inet_sum_add(uint64_t sum, const void *data, size_t len);

/** As inet_sum_add, for a single 16-bit number such as a pseudo header's length or protocol. */
uint64_t inet_sum_add16(uint64_t sum, uint16_t value);

/** The 16 bits as they are stored, already in network byte order: memcpy them into the packet. */
uint16_t inet_sum_finish(uint64_t sum);

#endif
