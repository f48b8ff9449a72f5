/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMCLIENT_WIRE_IMPL_H
#define REMUS_SIMCLIENT_WIRE_IMPL_H

#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>

#include "engine/net/inet_sum.h"
#include "engine/net/port.h"

/** For simclient_wire_*.c only: the two that build and take apart. */

/** Neighbour solicitation or advertisement with one link-layer address option. */
struct wire_nd {
    struct nd_neighbor_solicit nd; /* the advertisement has the same fields */
    struct nd_opt_hdr option;
    uint8_t mac[ETH_ALEN];
} __attribute__((packed));

/** The running sum over the pseudo header of IPv4 (ip_len 4) or IPv6 (16). */
static inline uint64_t wire_pseudo_sum(const uint8_t *src, const uint8_t *dst, size_t ip_len,
                                       uint8_t protocol, size_t len)
{
    uint64_t sum = inet_sum_add(inet_sum_add(0, src, ip_len), dst, ip_len);

    return inet_sum_add16(inet_sum_add16(sum, protocol), (uint16_t)len);
}

#endif
