/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMVM_NET_IMPL_H
#define REMUS_SIMVM_NET_IMPL_H

#include <string.h>

#include "engine/net/inet_sum.h"
#include "tools/sim/simvm_net.h"

/** A packet inside of a frame, to be turned into its answer. */
struct packet {
    const struct netsvc *svc;
    uint8_t *data;
    size_t len, cap;
    bool sum_unset; /* NEEDS_CSUM: the transport checksum is not there yet, and need not be */
};

/** Each returns the answer's length, 0: none. ARP, IPv4 and IPv6 packets. */
size_t arp_answer(struct packet *p);
size_t ip4_answer(struct packet *p);
size_t ip6_answer(struct packet *p);

/**
 * UDP inside of IPv4 or IPv6. `pseudo` is the running sum over both addresses and the protocol,
 * which is the same for the answer; `zero_ok`: a datagram without checksum is legal.
 */
size_t udp_answer(struct packet *p, uint64_t pseudo, bool zero_ok);

static inline uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/** Exchanges two neighbouring fields of `n` octets, e.g. source and destination. */
static inline void swap_fields(uint8_t *p, size_t n)
{
    uint8_t keep[16];

    memcpy(keep, p, n);
    memcpy(p, p + n, n);
    memcpy(p + n, keep, n);
}

/** Stores the checksum of data[len] on top of `sum` at `at`, which lies inside of data. */
static inline void put_sum(uint8_t *at, uint64_t sum, const uint8_t *data, size_t len)
{
    memset(at, 0, 2);
    uint16_t value = inet_sum_finish(inet_sum_add(sum, data, len));
    memcpy(at, &value, 2);
}

/** The checksum inside of data[len] is right. */
static inline bool sum_good(uint64_t sum, const uint8_t *data, size_t len)
{
    return inet_sum_finish(inet_sum_add(sum, data, len)) == 0;
}

#endif
