/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMCLIENT_ASK_H
#define REMUS_SIMCLIENT_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/sim/simvm_counter.h"

/** The counter service's messages, from the asking side; simvm_counter.h has their layout. */
struct ask_answer {
    uint64_t client, request, value;
};

/** `what` is 'I' or 'R'. */
void ask_put(uint8_t msg[COUNTER_REQUEST_LEN], char what, uint64_t client, uint64_t request);

/** False when it is no answer of the service. */
bool ask_get(const uint8_t *msg, size_t len, struct ask_answer *ret);

/** Client `index` (below 32768) of a station: the same in each run; positive as an int64_t. */
uint64_t ask_client_id(const uint8_t mac[6], uint64_t index);

/** Grows from run to run: the guest ignores what it takes for older than a client's last request.
 */
uint64_t ask_first_request(void);

#endif
