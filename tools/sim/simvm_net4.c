/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h>

#include "tools/sim/simvm_net_impl.h"

#define ARP_LEN       28
#define ARP_FIXED     "\x00\x01\x08\x00\x06\x04" /* Ethernet, IPv4, lengths 6 and 4 */
#define ARP_REQUEST   1
#define ARP_REPLY     2
#define IP4_LEN       20
#define IP4_FRAG_MASK 0x3fff /* more fragments, offset */
#define TTL           64
#define ICMP_LEN      8
#define ICMP_ECHO     8

size_t arp_answer(struct packet *p)
{
    uint8_t *a = p->data;
    const struct netsvc *n = p->svc;

    if (p->len < ARP_LEN || memcmp(a, ARP_FIXED, 6) != 0 || get16(a + 6) != ARP_REQUEST)
        return 0;
    if (!n->has_ip || memcmp(a + 24, n->ip, 4) != 0)
        return 0;
    put16(a + 6, ARP_REPLY);
    memcpy(a + 18, a + 8, 10);
    memcpy(a + 8, n->mac, 6);
    memcpy(a + 14, n->ip, 4);
    return ARP_LEN;
}

static size_t icmp_answer(struct packet *p)
{
    uint8_t *icmp = p->data;

    if (p->len < ICMP_LEN || icmp[0] != ICMP_ECHO || icmp[1] != 0)
        return 0;
    if (!p->sum_unset && !sum_good(0, icmp, p->len))
        return 0;
    icmp[0] = 0;
    put_sum(icmp + 2, 0, icmp, p->len);
    return p->len;
}

/* A whole, unfragmented packet for this guest; *header is its header's length. */
static bool ip4_valid(const struct packet *p, size_t *header)
{
    const uint8_t *ip = p->data;

    if (p->len < IP4_LEN || ip[0] >> 4 != 4 || !p->svc->has_ip)
        return false;
    *header = (ip[0] & 15) * 4u;
    size_t total = get16(ip + 2);
    if (*header < IP4_LEN || total < *header || total > p->len)
        return false;
    return !(get16(ip + 6) & IP4_FRAG_MASK) && memcmp(ip + 16, p->svc->ip, 4) == 0 &&
           sum_good(0, ip, *header);
}

size_t ip4_answer(struct packet *p)
{
    uint8_t *ip = p->data;
    size_t header, answer = 0;

    if (!ip4_valid(p, &header))
        return 0;
    struct packet inner = *p;
    inner.data += header;
    inner.len = get16(ip + 2) - header;
    inner.cap -= header;
    if (ip[9] == IPPROTO_ICMP)
        answer = icmp_answer(&inner);
    else if (ip[9] == IPPROTO_UDP)
        answer = udp_answer(&inner, inet_sum_add16(inet_sum_add(0, ip + 12, 8), IPPROTO_UDP), true);
    if (!answer || header + answer > UINT16_MAX)
        return 0;
    swap_fields(ip + 12, 4);
    ip[8] = TTL;
    put16(ip + 2, (uint16_t)(header + answer));
    put_sum(ip + 10, 0, ip, header);
    return header + answer;
}
