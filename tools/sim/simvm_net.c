/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simvm_net.h"

#include <linux/virtio_net.h>
#include <net/ethernet.h>

#include "engine/net/port.h"
#include "tools/sim/simvm_net_impl.h"

#define TYPE_REFLECT 0x88b5 /* IEEE 802 local experimental 1 */
#define TAG_LEN      4

static bool for_us(const struct netsvc *n, const uint8_t *dst)
{
    return (dst[0] & 1) || memcmp(dst, n->mac, ETH_ALEN) == 0;
}

static size_t packet_answer(struct packet *p, uint16_t type)
{
    switch (type) {
    case ETHERTYPE_ARP:
        return arp_answer(p);
    case ETHERTYPE_IP:
        return ip4_answer(p);
    case ETHERTYPE_IPV6:
        return ip6_answer(p);
    case TYPE_REFLECT:
        return p->len;
    }
    return 0;
}

size_t net_answer(const struct netsvc *n, uint8_t *frame, size_t len, size_t cap)
{
    uint8_t *eth = frame + PORT_VNET_LEN;
    size_t l2 = ETH_HLEN;
    struct virtio_net_hdr vnet;

    if (len < PORT_VNET_LEN + ETH_HLEN || !for_us(n, eth))
        return 0;
    if (get16(eth + 12) == ETHERTYPE_VLAN)
        l2 += TAG_LEN;
    if (len < PORT_VNET_LEN + l2)
        return 0;
    memcpy(&vnet, frame, sizeof(vnet));
    uint16_t type = get16(eth + l2 - 2);
    if (vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE && type != TYPE_REFLECT)
        return 0;

    struct packet p = {.svc = n,
                       .data = eth + l2,
                       .len = len - PORT_VNET_LEN - l2,
                       .cap = cap - PORT_VNET_LEN - l2,
                       .sum_unset = vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM};
    size_t answer = packet_answer(&p, type);
    if (!answer)
        return 0;
    if (type !=
        TYPE_REFLECT) /* what is reflected keeps its offloads: large frames leave here too */
        memset(frame, 0, PORT_VNET_LEN);
    memcpy(eth, eth + ETH_ALEN, ETH_ALEN);
    memcpy(eth + ETH_ALEN, n->mac, ETH_ALEN);
    return PORT_VNET_LEN + l2 + answer;
}
