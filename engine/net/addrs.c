/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/net/addrs.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>

#include "engine/net/inet_sum.h"

#define VLAN_LEN     4
#define VID_MASK     0x0fff
#define VID_RESERVED 0x0fff

/** A frame cut into what learning needs. */
struct seen {
    const uint8_t *mac; /* Ethernet source */
    uint16_t vlan, ethertype;
    const uint8_t *payload;
    size_t len;
};

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint8_t *put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static uint8_t *put(uint8_t *p, const void *data, size_t len)
{
    memcpy(p, data, len);
    return p + len;
}

static bool station_mac(const uint8_t *mac)
{
    static const uint8_t zero[ETH_ALEN];

    return !(mac[0] & 1) && memcmp(mac, zero, ETH_ALEN) != 0;
}

/** Not "this network", loopback, multicast or above. */
static bool station_ip4(const uint8_t *ip)
{
    return ip[0] != 0 && ip[0] != 127 && ip[0] < 224;
}

static bool station_ip6(const uint8_t *ip)
{
    static const uint8_t zero[15];

    return ip[0] != 0xff && !(memcmp(ip, zero, sizeof(zero)) == 0 && ip[15] <= 1);
}

/** False when there is nothing to learn from: cut short, or more than one tag. */
static bool dissect(const uint8_t *frame, size_t len, struct seen *s)
{
    if (len < PORT_VNET_LEN + ETH_HLEN)
        return false;
    frame += PORT_VNET_LEN;
    len -= PORT_VNET_LEN;
    s->mac = frame + ETH_ALEN;
    s->vlan = 0;
    s->ethertype = get16(frame + 2 * ETH_ALEN);
    s->payload = frame + ETH_HLEN;
    s->len = len - ETH_HLEN;
    if (s->ethertype != ETHERTYPE_VLAN)
        return true;
    if (s->len < VLAN_LEN)
        return false;
    s->vlan = get16(s->payload) & VID_MASK;
    s->ethertype = get16(s->payload + 2);
    s->payload += VLAN_LEN;
    s->len -= VLAN_LEN;
    return s->vlan != VID_RESERVED;
}

static bool same_address(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && a->vlan == b->vlan && memcmp(a->ip, b->ip, 16) == 0;
}

/** Makes addr[i] the most recently seen one; the order decides what a full table gives up. */
static void move_to_end(struct addrs *a, size_t i, const struct addr *value)
{
    memmove(&a->addr[i], &a->addr[i + 1], (a->count - 1 - i) * sizeof(a->addr[0]));
    a->addr[a->count - 1] = *value;
}

static void note(struct addrs *a, const struct addr *found)
{
    for (size_t i = a->count; i-- > 0;) {
        if (!same_address(&a->addr[i], found))
            continue;
        if (memcmp(a->addr[i].mac, found->mac, ETH_ALEN) != 0)
            a->version++;
        move_to_end(a, i, found);
        return;
    }
    a->version++;
    if (a->count < ADDRS_MAX)
        a->addr[a->count++] = *found;
    else
        move_to_end(a, 0, found);
}

static void note_ip4(struct addrs *a, const struct seen *s, const uint8_t *mac, const uint8_t *ip)
{
    struct addr found = {.family = 4, .vlan = s->vlan};

    if (!station_mac(mac) || !station_ip4(ip))
        return;
    memcpy(found.mac, mac, ETH_ALEN);
    memcpy(found.ip, ip, 4);
    note(a, &found);
}

static void learn_arp(struct addrs *a, const struct seen *s)
{
    struct ether_arp arp;

    if (s->len < sizeof(arp))
        return;
    memcpy(&arp, s->payload, sizeof(arp));
    if (ntohs(arp.arp_hrd) != ARPHRD_ETHER || ntohs(arp.arp_pro) != ETHERTYPE_IP ||
        arp.arp_hln != ETH_ALEN || arp.arp_pln != 4)
        return;
    note_ip4(a, s, arp.arp_sha, arp.arp_spa); /* a probe's sender is 0.0.0.0, which is refused */
}

static void learn_ip4(struct addrs *a, const struct seen *s)
{
    if (s->len < sizeof(struct iphdr) || s->payload[0] >> 4 != 4)
        return;
    note_ip4(a, s, s->mac, s->payload + offsetof(struct iphdr, saddr));
}

static void learn_ip6(struct addrs *a, const struct seen *s)
{
    struct addr found = {.family = 6, .vlan = s->vlan};
    const uint8_t *ip = s->payload + offsetof(struct ip6_hdr, ip6_src);

    if (s->len < sizeof(struct ip6_hdr) || s->payload[0] >> 4 != 6)
        return;
    if (!station_mac(s->mac) || !station_ip6(ip))
        return;
    memcpy(found.mac, s->mac, ETH_ALEN);
    memcpy(found.ip, ip, 16);
    note(a, &found);
}

void addrs_learn(struct addrs *a, const void *frame, size_t len)
{
    struct seen s;

    if (!dissect(frame, len, &s))
        return;
    if (s.ethertype == ETHERTYPE_ARP)
        learn_arp(a, &s);
    else if (s.ethertype == ETHERTYPE_IP)
        learn_ip4(a, &s);
    else if (s.ethertype == ETHERTYPE_IPV6)
        learn_ip6(a, &s);
}

void addrs_add_mac(struct addrs *a, const uint8_t mac[ETH_ALEN])
{
    struct addr alone = {.family = 0};

    if (!station_mac(mac))
        return;
    memcpy(alone.mac, mac, ETH_ALEN);
    note(a, &alone);
}

static uint8_t *put_ethernet(uint8_t *p, const struct addr *addr, const uint8_t *to, uint16_t type)
{
    memset(p, 0, PORT_VNET_LEN);
    p = put(p + PORT_VNET_LEN, to, ETH_ALEN);
    p = put(p, addr->mac, ETH_ALEN);
    if (addr->vlan) {
        p = put16(p, ETHERTYPE_VLAN);
        p = put16(p, addr->vlan);
    }
    return put16(p, type);
}

static size_t broadcast_arp(const struct addr *addr, uint16_t type, const struct ether_arp *arp,
                            uint8_t *buf)
{
    static const uint8_t everyone[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t *end = put(put_ethernet(buf, addr, everyone, type), arp, sizeof(*arp));
    size_t len = (size_t)(end - buf), least = PORT_VNET_LEN + ETH_ZLEN;
    if (len >= least)
        return len;
    memset(end, 0, least - len);
    return least;
}

/** ARP announcement: a request whose sender and target are both the address (RFC 5227, 3). */
static size_t announce_ip4(const struct addr *addr, uint8_t *buf)
{
    struct ether_arp arp = {
        .ea_hdr = {htons(ARPHRD_ETHER), htons(ETHERTYPE_IP), ETH_ALEN, 4, htons(ARPOP_REQUEST)}};

    memcpy(arp.arp_sha, addr->mac, ETH_ALEN);
    memcpy(arp.arp_spa, addr->ip, 4);
    memcpy(arp.arp_tpa, addr->ip, 4);
    return broadcast_arp(addr, ETHERTYPE_ARP, &arp, buf);
}

/** "Which address have I?" (RFC 903): every switch hears it, and hosts have no use for it. */
static size_t announce_mac(const struct addr *addr, uint8_t *buf)
{
    struct ether_arp arp = {
        .ea_hdr = {htons(ARPHRD_ETHER), htons(ETHERTYPE_IP), ETH_ALEN, 4, htons(ARPOP_RREQUEST)}};

    memcpy(arp.arp_sha, addr->mac, ETH_ALEN);
    memcpy(arp.arp_tha, addr->mac, ETH_ALEN);
    return broadcast_arp(addr, ETHERTYPE_REVARP, &arp, buf);
}

struct neighbour_advert {
    struct ip6_hdr ip;
    struct nd_neighbor_advert advert;
    struct nd_opt_hdr option;
    uint8_t mac[ETH_ALEN];
} __attribute__((packed));

static uint16_t icmp6_sum(const struct neighbour_advert *na)
{
    size_t len = sizeof(*na) - sizeof(na->ip);
    const uint8_t *bytes = (const uint8_t *)na;
    uint64_t sum = inet_sum_add16(0, (uint16_t)len);

    sum = inet_sum_add16(sum, IPPROTO_ICMPV6);
    sum = inet_sum_add(sum, bytes + offsetof(struct ip6_hdr, ip6_src), 2 * sizeof(struct in6_addr));
    return inet_sum_finish(inet_sum_add(sum, bytes + sizeof(na->ip), len));
}

/** Unsolicited neighbour advertisement to all nodes, override set (RFC 4861, 7.2.6). */
static size_t announce_ip6(const struct addr *addr, uint8_t *buf)
{
    static const uint8_t all_nodes_mac[ETH_ALEN] = {0x33, 0x33, 0, 0, 0, 1};
    static const struct in6_addr all_nodes = {{{0xff, 2, [15] = 1}}};
    struct neighbour_advert na = {
        .ip = {.ip6_flow = htonl(6u << 28),
               .ip6_plen = htons(sizeof(na) - sizeof(na.ip)),
               .ip6_nxt = IPPROTO_ICMPV6,
               .ip6_hlim = 255,
               .ip6_dst = all_nodes},
        .advert = {.nd_na_type = ND_NEIGHBOR_ADVERT, .nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE},
        .option = {.nd_opt_type = ND_OPT_TARGET_LINKADDR, .nd_opt_len = 1}};

    memcpy(&na.ip.ip6_src, addr->ip, sizeof(na.ip.ip6_src));
    memcpy(&na.advert.nd_na_target, addr->ip, sizeof(na.advert.nd_na_target));
    memcpy(na.mac, addr->mac, ETH_ALEN);
    na.advert.nd_na_cksum = icmp6_sum(&na);
    uint8_t *end = put(put_ethernet(buf, addr, all_nodes_mac, ETHERTYPE_IPV6), &na, sizeof(na));
    return (size_t)(end - buf);
}

size_t addrs_announce(const struct addr *addr, uint8_t *buf)
{
    switch (addr->family) {
    case 4:
        return announce_ip4(addr, buf);
    case 6:
        return announce_ip6(addr, buf);
    default:
        return announce_mac(addr, buf);
    }
}
