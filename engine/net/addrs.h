/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_ADDRS_H
#define REMUS_ADDRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/net/port.h"

/**
 * Which addresses the guest uses, learned from its own frames, so that a backup can announce them
 * after failover (gratuitous ARP, RFC 5227; unsolicited neighbour advertisement, RFC 4861 7.2.6).
 * VLAN-tagged addresses keep their tag. A guest that has not spoken yet has a MAC all the same,
 * which switches have to learn.
 */
#define ADDRS_MAX 32

struct addr {
    uint8_t family; /* 4, 6, or 0: a MAC of which no address is known yet */
    uint8_t mac[6];
    uint16_t vlan;  /* 802.1Q TCI's VID, 0 = untagged */
    uint8_t ip[16]; /* IPv4 in the first 4 bytes, the rest zero */
};

struct addrs {
    struct addr addr[ADDRS_MAX];
    size_t count;
    uint64_t version; /* grows with every change: "must be sent again" */
};

/** The MAC of the guest's interface, known beforehand; all zero is none. */
void addrs_add_mac(struct addrs *a, const uint8_t mac[6]);

/**
 * Looks at one frame sent by the guest (vnet header first). Learns from ARP (not probes), IPv4 and
 * IPv6 sources (not unspecified, not multicast). Full: the oldest is replaced. Never fails, never
 * reads beyond `len`.
 */
void addrs_learn(struct addrs *a, const void *frame, size_t len);

/**
 * Writes the frame that announces one address (vnet header first, all zero) and returns its length.
 * `buf` has at least ADDRS_ANNOUNCE_MAX bytes.
 */
#define ADDRS_ANNOUNCE_MAX 128
size_t addrs_announce(const struct addr *addr, uint8_t *buf);

#endif
