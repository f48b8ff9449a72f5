/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/net/inet_sum.h"

#include <arpa/inet.h>
#include <string.h>

uint64_t inet_sum_add(uint64_t sum, const void *data, size_t len)
{
    const uint8_t *p = data;

    for (; len >= 2; len -= 2, p += 2) {
        uint16_t word;
        memcpy(&word, p, 2);
        sum += word;
    }
    if (len == 1) {
        uint16_t word = 0;
        memcpy(&word, p, 1);
        sum += word;
    }
    return sum;
}

uint64_t inet_sum_add16(uint64_t sum, uint16_t value)
{
    return sum + htons(value);
}

uint16_t inet_sum_finish(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}
