/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <string.h>

#include "tools/sim/simclient_wire.h"
#include "tools/sim/simclient_wire_impl.h"

#define HOP_LIMIT 64

static const uint8_t everyone[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static uint8_t *put(uint8_t *p, const void *data, size_t len)
{
    memcpy(p, data, len);
    return p + len;
}

static uint8_t *put16(uint8_t *p, uint16_t v)
{
    v = htons(v);
    return put(p, &v, sizeof(v));
}

static uint8_t *put_ethernet(uint8_t *p, const struct wire_path *path, const uint8_t *to,
                             uint16_t type)
{
    memset(p, 0, PORT_VNET_LEN);
    p = put(p + PORT_VNET_LEN, to, ETH_ALEN);
    p = put(p, path->us.mac, ETH_ALEN);
    if (path->vlan) {
        p = put16(p, ETHERTYPE_VLAN);
        p = put16(p, path->vlan);
    }
    return put16(p, type);
}

/** Fills up to Ethernet's least length. */
static size_t finish(uint8_t *buf, uint8_t *end)
{
    size_t len = (size_t)(end - buf), least = PORT_VNET_LEN + ETH_ZLEN;

    if (len >= least)
        return len;
    memset(end, 0, least - len);
    return least;
}

static uint8_t *put_ip4(uint8_t *p, const struct wire_path *path, size_t len)
{
    struct iphdr ip = {.version = 4,
                       .ihl = 5,
                       .tot_len = htons((uint16_t)(sizeof(ip) + len)),
                       .frag_off = htons(IP_DF),
                       .ttl = HOP_LIMIT,
                       .protocol = IPPROTO_UDP};

    memcpy(&ip.saddr, path->us.ip, 4);
    memcpy(&ip.daddr, path->them.ip, 4);
    ip.check = inet_sum_finish(inet_sum_add(0, &ip, sizeof(ip)));
    return put(p, &ip, sizeof(ip));
}

static uint8_t *put_ip6(uint8_t *p, const struct wire_path *path, const uint8_t *dst,
                        uint8_t protocol, uint8_t hops, size_t len)
{
    struct ip6_hdr ip = {.ip6_flow = htonl(6u << 28),
                         .ip6_plen = htons((uint16_t)len),
                         .ip6_nxt = protocol,
                         .ip6_hlim = hops};

    memcpy(&ip.ip6_src, path->us.ip, 16);
    memcpy(&ip.ip6_dst, dst, 16);
    return put(p, &ip, sizeof(ip));
}

size_t wire_udp(uint8_t *buf, const struct wire_path *p, uint16_t sport, uint16_t dport,
                const void *payload, size_t len)
{
    size_t total = sizeof(struct udphdr) + len;
    struct udphdr udp = {
        .source = htons(sport), .dest = htons(dport), .len = htons((uint16_t)total)};
    uint8_t *at = put_ethernet(buf, p, p->them.mac, p->v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);

    if (p->v6)
        at = put_ip6(at, p, p->them.ip, IPPROTO_UDP, HOP_LIMIT, total);
    else
        at = put_ip4(at, p, total);
    uint64_t sum = wire_pseudo_sum(p->us.ip, p->them.ip, p->v6 ? 16 : 4, IPPROTO_UDP, total);
    sum = inet_sum_add(inet_sum_add(sum, &udp, sizeof(udp)), payload, len);
    udp.check = inet_sum_finish(sum);
    if (udp.check == 0) /* 0 on the wire means "no checksum" */
        udp.check = 0xffff;
    at = put(at, &udp, sizeof(udp));
    return finish(buf, put(at, payload, len));
}

size_t wire_reflect(uint8_t *buf, const struct wire_path *p, const void *payload, size_t len)
{
    uint8_t *at = put_ethernet(buf, p, p->them.mac, WIRE_TYPE_REFLECT);

    return finish(buf, put(at, payload, len));
}

static size_t arp(uint8_t *buf, const struct wire_path *p, uint16_t op, const uint8_t *to,
                  const struct wire_host *target)
{
    struct ether_arp a = {
        .ea_hdr = {htons(ARPHRD_ETHER), htons(ETHERTYPE_IP), ETH_ALEN, 4, htons(op)}};

    memcpy(a.arp_sha, p->us.mac, ETH_ALEN);
    memcpy(a.arp_spa, p->us.ip, 4);
    memcpy(a.arp_tha, target->mac, ETH_ALEN);
    memcpy(a.arp_tpa, target->ip, 4);
    return finish(buf, put(put_ethernet(buf, p, to, ETHERTYPE_ARP), &a, sizeof(a)));
}

static size_t neighbour(uint8_t *buf, const struct wire_path *p, struct wire_nd *nd,
                        const uint8_t *to_mac, const uint8_t *to_ip)
{
    uint8_t *at = put_ethernet(buf, p, to_mac, ETHERTYPE_IPV6);

    memcpy(nd->mac, p->us.mac, ETH_ALEN);
    uint64_t sum = wire_pseudo_sum(p->us.ip, to_ip, 16, IPPROTO_ICMPV6, sizeof(*nd));
    nd->nd.nd_ns_cksum = inet_sum_finish(inet_sum_add(sum, nd, sizeof(*nd)));
    at = put_ip6(at, p, to_ip, IPPROTO_ICMPV6, 255, sizeof(*nd));
    return finish(buf, put(at, nd, sizeof(*nd)));
}

/** To the group of all whose address ends alike (RFC 4291, 2.7.1). */
static size_t solicit(uint8_t *buf, const struct wire_path *p)
{
    uint8_t group[16] = {0xff, 2, [11] = 1, [12] = 0xff}, mac[ETH_ALEN] = {0x33, 0x33, 0xff};
    struct wire_nd nd = {
        .nd = {.nd_ns_type = ND_NEIGHBOR_SOLICIT},
        .option = {.nd_opt_type = ND_OPT_SOURCE_LINKADDR, .nd_opt_len = 1},
    };

    memcpy(group + 13, p->them.ip + 13, 3);
    memcpy(mac + 3, p->them.ip + 13, 3);
    memcpy(&nd.nd.nd_ns_target, p->them.ip, 16);
    return neighbour(buf, p, &nd, mac, group);
}

size_t wire_ask(uint8_t *buf, const struct wire_path *p)
{
    struct wire_host unknown = {0};

    if (p->v6)
        return solicit(buf, p);
    memcpy(unknown.ip, p->them.ip, 4);
    return arp(buf, p, ARPOP_REQUEST, everyone, &unknown);
}

size_t wire_tell(uint8_t *buf, const struct wire_path *p, const struct wire_host *asker)
{
    struct wire_nd nd = {
        .nd = {.nd_ns_type = ND_NEIGHBOR_ADVERT,
               .nd_ns_reserved = ND_NA_FLAG_SOLICITED | ND_NA_FLAG_OVERRIDE},
        .option = {.nd_opt_type = ND_OPT_TARGET_LINKADDR, .nd_opt_len = 1},
    };

    if (!p->v6)
        return arp(buf, p, ARPOP_REPLY, asker->mac, asker);
    memcpy(&nd.nd.nd_ns_target, p->us.ip, 16);
    return neighbour(buf, p, &nd, asker->mac, asker->ip);
}
