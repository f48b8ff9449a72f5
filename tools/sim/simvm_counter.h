/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMVM_COUNTER_H
#define REMUS_SIMVM_COUNTER_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/sim/simvm_mem.h"

/**
 * The counter service, all of whose memory is guest memory: pages COUNTER_PAGE to
 * COUNTER_PAGE + COUNTER_PAGES - 1 hold the counter and what each of the last COUNTER_CLIENTS
 * clients was answered, so that a repeated request never counts twice.
 *
 * Request, 17 octets: 'I' (increment) or 'R' (read) | client u64 | request id u64.
 * Answer, 25 octets: 'C' | client u64 | request id u64 | value u64. Little-endian.
 */
#define COUNTER_PAGE    1u
#define COUNTER_PAGES   3u
#define COUNTER_CLIENTS 256u

#define COUNTER_REQUEST_LEN 17u
#define COUNTER_ANSWER_LEN  25u

/**
 * Rewrites the request in msg[len] to its answer in place; `cap` octets may be used. Returns the
 * answer's length, 0: none (malformed, no room, or older than the client's last request).
 */
size_t counter_answer(struct gmem *mem, uint8_t *msg, size_t len, size_t cap);

uint64_t counter_value(const struct gmem *mem);

#endif
