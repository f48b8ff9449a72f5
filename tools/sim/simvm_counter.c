/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simvm_counter.h"

#include <endian.h>
#include <string.h>

#define VALUE_ADDR ((uint64_t)COUNTER_PAGE * SIM_PAGE_SIZE)
#define TABLE_ADDR (VALUE_ADDR + SIM_PAGE_SIZE)

/* One client's last increment, as four words in guest memory. `value` is never 0 in a used one. */
enum { ENTRY_CLIENT = 0, ENTRY_REQUEST = 8, ENTRY_VALUE = 16, ENTRY_LEN = 32 };

_Static_assert(COUNTER_CLIENTS *ENTRY_LEN == (COUNTER_PAGES - 1) * SIM_PAGE_SIZE, "table size");

uint64_t counter_value(const struct gmem *mem)
{
    return gmem_read64(mem, VALUE_ADDR);
}

/* The client's entry, or the one to be replaced: unused, else the client that was idle longest. */
static uint64_t entry_of(const struct gmem *mem, uint64_t client, bool *known)
{
    uint64_t oldest = TABLE_ADDR, least = UINT64_MAX;

    for (unsigned i = 0; i < COUNTER_CLIENTS; i++) {
        uint64_t at = TABLE_ADDR + (uint64_t)i * ENTRY_LEN;
        uint64_t value = gmem_read64(mem, at + ENTRY_VALUE);
        if (value && gmem_read64(mem, at + ENTRY_CLIENT) == client) {
            *known = true;
            return at;
        }
        if (value < least) {
            least = value;
            oldest = at;
        }
    }
    *known = false;
    return oldest;
}

static bool increment(struct gmem *mem, uint64_t client, uint64_t request, uint64_t *ret)
{
    bool known;
    uint64_t at = entry_of(mem, client, &known);

    if (known && request <= gmem_read64(mem, at + ENTRY_REQUEST)) {
        *ret = gmem_read64(mem, at + ENTRY_VALUE);
        return request == gmem_read64(mem, at + ENTRY_REQUEST);
    }
    *ret = counter_value(mem) + 1;
    gmem_write64(mem, VALUE_ADDR, *ret);
    gmem_write64(mem, at + ENTRY_CLIENT, client);
    gmem_write64(mem, at + ENTRY_REQUEST, request);
    gmem_write64(mem, at + ENTRY_VALUE, *ret);
    return true;
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t le;

    memcpy(&le, p, 8);
    return le64toh(le);
}

size_t counter_answer(struct gmem *mem, uint8_t *msg, size_t len, size_t cap)
{
    uint64_t value;

    if (len < COUNTER_REQUEST_LEN || cap < COUNTER_ANSWER_LEN)
        return 0;
    if (msg[0] == 'R')
        value = counter_value(mem);
    else if (msg[0] != 'I' || !increment(mem, get64(msg + 1), get64(msg + 9), &value))
        return 0;
    uint64_t le = htole64(value);
    msg[0] = 'C';
    memcpy(msg + COUNTER_REQUEST_LEN, &le, 8);
    return COUNTER_ANSWER_LEN;
}
