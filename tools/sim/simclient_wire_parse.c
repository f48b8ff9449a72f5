/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "tools/sim/simclient_wire.h"
#include "tools/sim/simclient_wire_impl.h"

#define TAG_LEN  4
#define VID_MASK 0x0fff

/** What is left of a frame, and what its outer layers said. */
struct rest {
    const struct wire_path *path;
    const uint8_t *at;
    size_t len;
    bool sum_unset; /* the sender left the checksum to hardware that there is not */
    const uint8_t *src_mac;
};

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static bool same_ip(const struct wire_path *p, const void *a, const void *b)
{
    return memcmp(a, b, p->v6 ? 16 : 4) == 0;
}

static enum wire_kind parse_arp(const struct rest *r, struct wire_got *got)
{
    struct ether_arp a;

    if (r->path->v6 || r->len < sizeof(a))
        return WIRE_OTHER;
    memcpy(&a, r->at, sizeof(a));
    if (ntohs(a.arp_pro) != ETHERTYPE_IP || a.arp_hln != ETH_ALEN || a.arp_pln != 4)
        return WIRE_OTHER;
    memcpy(got->host.mac, a.arp_sha, ETH_ALEN);
    memcpy(got->host.ip, a.arp_spa, 4);
    if (ntohs(a.arp_op) == ARPOP_REQUEST && same_ip(r->path, a.arp_tpa, r->path->us.ip))
        return WIRE_ASKED;
    /* Replies and announcements of them alike. */
    return same_ip(r->path, a.arp_spa, r->path->them.ip) ? WIRE_TOLD : WIRE_OTHER;
}

static bool sum_good(const struct rest *r, const uint8_t *src, const uint8_t *dst, uint8_t protocol)
{
    uint64_t sum = wire_pseudo_sum(src, dst, r->path->v6 ? 16 : 4, protocol, r->len);

    return r->sum_unset || inet_sum_finish(inet_sum_add(sum, r->at, r->len)) == 0;
}

static enum wire_kind parse_udp(struct rest *r, const uint8_t *src, const uint8_t *dst,
                                struct wire_got *got)
{
    struct udphdr udp;

    if (r->len < sizeof(udp))
        return WIRE_OTHER;
    memcpy(&udp, r->at, sizeof(udp));
    size_t len = ntohs(udp.len);
    if (len < sizeof(udp) || len > r->len)
        return WIRE_BAD;
    r->len = len;
    /* No checksum at all is legal in IPv4 only. */
    if (udp.check == 0 ? r->path->v6 : !sum_good(r, src, dst, IPPROTO_UDP))
        return WIRE_BAD;
    got->sport = ntohs(udp.source);
    got->dport = ntohs(udp.dest);
    got->payload = r->at + sizeof(udp);
    got->len = len - sizeof(udp);
    return WIRE_UDP;
}

static enum wire_kind parse_nd(const struct rest *r, const struct ip6_hdr *ip, struct wire_got *got)
{
    struct wire_nd nd;

    if (r->len < sizeof(nd))
        return WIRE_OTHER;
    if (!sum_good(r, (const uint8_t *)&ip->ip6_src, (const uint8_t *)&ip->ip6_dst, IPPROTO_ICMPV6))
        return WIRE_BAD;
    memcpy(&nd, r->at, sizeof(nd));
    memcpy(got->host.mac, r->src_mac, ETH_ALEN);
    if (nd.nd.nd_ns_type == ND_NEIGHBOR_SOLICIT &&
        same_ip(r->path, &nd.nd.nd_ns_target, r->path->us.ip)) {
        memcpy(got->host.ip, &ip->ip6_src, 16);
        return WIRE_ASKED;
    }
    if (nd.nd.nd_ns_type != ND_NEIGHBOR_ADVERT || nd.option.nd_opt_type != ND_OPT_TARGET_LINKADDR ||
        !same_ip(r->path, &nd.nd.nd_ns_target, r->path->them.ip))
        return WIRE_OTHER;
    memcpy(got->host.mac, nd.mac, ETH_ALEN);
    memcpy(got->host.ip, &nd.nd.nd_ns_target, 16);
    return WIRE_TOLD;
}

static enum wire_kind parse_ip4(struct rest *r, struct wire_got *got)
{
    struct iphdr ip;

    if (r->path->v6 || r->len < sizeof(ip))
        return WIRE_OTHER;
    memcpy(&ip, r->at, sizeof(ip));
    size_t head = ip.ihl * 4u, total = ntohs(ip.tot_len);
    if (ip.version != 4 || ip.protocol != IPPROTO_UDP ||
        !same_ip(r->path, &ip.daddr, r->path->us.ip) ||
        !same_ip(r->path, &ip.saddr, r->path->them.ip))
        return WIRE_OTHER;
    if (head < sizeof(ip) || total < head || total > r->len ||
        (ntohs(ip.frag_off) & (IP_MF | IP_OFFMASK)) ||
        inet_sum_finish(inet_sum_add(0, r->at, head)) != 0)
        return WIRE_BAD;
    r->at += head;
    r->len = total - head;
    return parse_udp(r, (const uint8_t *)&ip.saddr, (const uint8_t *)&ip.daddr, got);
}

static enum wire_kind parse_ip6(struct rest *r, struct wire_got *got)
{
    struct ip6_hdr ip;

    if (!r->path->v6 || r->len < sizeof(ip))
        return WIRE_OTHER;
    memcpy(&ip, r->at, sizeof(ip));
    if (r->at[0] >> 4 != 6 || ntohs(ip.ip6_plen) > r->len - sizeof(ip))
        return WIRE_BAD;
    r->at += sizeof(ip);
    r->len = ntohs(ip.ip6_plen);
    if (ip.ip6_nxt == IPPROTO_ICMPV6)
        return parse_nd(r, &ip, got);
    if (ip.ip6_nxt != IPPROTO_UDP || !same_ip(r->path, &ip.ip6_dst, r->path->us.ip) ||
        !same_ip(r->path, &ip.ip6_src, r->path->them.ip))
        return WIRE_OTHER;
    return parse_udp(r, (const uint8_t *)&ip.ip6_src, (const uint8_t *)&ip.ip6_dst, got);
}

static enum wire_kind parse_type(struct rest *r, uint16_t type, struct wire_got *got)
{
    switch (type) {
    case ETHERTYPE_ARP:
        return parse_arp(r, got);
    case ETHERTYPE_IP:
        return parse_ip4(r, got);
    case ETHERTYPE_IPV6:
        return parse_ip6(r, got);
    case WIRE_TYPE_REFLECT:
        got->payload = r->at;
        got->len = r->len;
        return WIRE_REFLECTED;
    }
    return WIRE_OTHER;
}

enum wire_kind wire_parse(const struct wire_path *p, const uint8_t *frame, size_t len,
                          struct wire_got *got)
{
    const uint8_t *eth = frame + PORT_VNET_LEN;
    size_t head = PORT_VNET_LEN + ETH_HLEN;
    uint16_t vlan = 0;
    struct virtio_net_hdr vnet;

    if (len < head || (!(eth[0] & 1) && memcmp(eth, p->us.mac, ETH_ALEN) != 0))
        return WIRE_OTHER;
    if (get16(eth + 2 * ETH_ALEN) == ETHERTYPE_VLAN) {
        if (len < head + TAG_LEN)
            return WIRE_OTHER;
        vlan = get16(eth + ETH_HLEN) & VID_MASK;
        head += TAG_LEN;
    }
    if (vlan != p->vlan)
        return WIRE_OTHER;
    memcpy(&vnet, frame, sizeof(vnet));
    struct rest r = {.path = p,
                     .at = frame + head,
                     .len = len - head,
                     .sum_unset = vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM,
                     .src_mac = eth + ETH_ALEN};
    memset(got, 0, sizeof(*got));
    return parse_type(&r, get16(frame + head - 2), got);
}
