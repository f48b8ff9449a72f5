/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simclient_ask.h"

#include <endian.h>
#include <string.h>
#include <time.h>

#define INDEX_BITS 15

static void put64(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t le;

    memcpy(&le, p, sizeof(le));
    return le64toh(le);
}

void ask_put(uint8_t msg[COUNTER_REQUEST_LEN], char what, uint64_t client, uint64_t request)
{
    msg[0] = (uint8_t)what;
    put64(msg + 1, client);
    put64(msg + 9, request);
}

bool ask_get(const uint8_t *msg, size_t len, struct ask_answer *ret)
{
    if (len != COUNTER_ANSWER_LEN || msg[0] != 'C')
        return false;
    *ret = (struct ask_answer){get64(msg + 1), get64(msg + 9), get64(msg + 17)};
    return true;
}

uint64_t ask_client_id(const uint8_t mac[6], uint64_t index)
{
    uint64_t id = 0;

    for (int i = 0; i < 6; i++)
        id = id << 8 | mac[i];
    return (id << INDEX_BITS & INT64_MAX) | index;
}

uint64_t ask_first_request(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}
