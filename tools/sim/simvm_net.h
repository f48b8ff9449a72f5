/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMVM_NET_H
#define REMUS_SIMVM_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/sim/simvm_mem.h"

/**
 * The guest's network stack: no connections, no state but the counter's. It answers
 *   ARP requests, ICMP and ICMPv6 echo, neighbour solicitations,
 *   UDP over IPv4 and IPv6: port 7 (echo) and 7000 (simvm_counter.h),
 *   ethertype 0x88B5 (reflected),
 * each also inside one 802.1Q tag, which the answer keeps. Frames are hostile: nothing is read or
 * written outside of them, wrong checksums and fragments are dropped.
 */
#define NET_PORT_ECHO    7
#define NET_PORT_COUNTER 7000

struct netsvc {
    struct gmem *mem;
    uint8_t mac[6];
    uint8_t ip[4];
    uint8_t ip6[16];
    bool has_ip, has_ip6;
};

/**
 * Turns the frame (virtio_net_hdr first) into its answer in place, `cap` octets may be used.
 * Returns the answer's length, 0: nothing to send. Answers carry full checksums.
 */
size_t net_answer(const struct netsvc *n, uint8_t *frame, size_t len, size_t cap);

#endif
