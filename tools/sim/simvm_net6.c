/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h>

#include "tools/sim/simvm_net_impl.h"

#define IP6_LEN       40
#define HOP_LIMIT_ND  255 /* RFC 4861: proves that no router forwarded it */
#define HOP_LIMIT     64
#define ICMP6_LEN     8
#define ICMP6_ECHO    128
#define ICMP6_REPLY   129
#define ND_SOLICIT    135
#define ND_ADVERTISE  136
#define ND_LEN        24   /* without options */
#define ND_ANSWER_LEN 32   /* with the target's link-layer address */
#define ND_FLAGS      0x60 /* solicited, override */
#define ND_OPT_TARGET 2

static size_t solicit_answer(struct packet *p, uint8_t *ip)
{
    uint8_t *nd = p->data;

    if (p->len < ND_LEN || p->cap < ND_ANSWER_LEN || ip[7] != HOP_LIMIT_ND || nd[1] != 0)
        return 0;
    /* Duplicate detection by an address's next owner (unspecified source) is not answered. */
    if (memcmp(nd + 8, p->svc->ip6, 16) != 0 ||
        IN6_IS_ADDR_UNSPECIFIED((struct in6_addr *)(ip + 8)))
        return 0;
    nd[0] = ND_ADVERTISE;
    memset(nd + 4, 0, 4);
    nd[4] = ND_FLAGS;
    nd[24] = ND_OPT_TARGET;
    nd[25] = 1;
    memcpy(nd + 26, p->svc->mac, 6);
    return ND_ANSWER_LEN;
}

static size_t icmp6_answer(struct packet *p, uint8_t *ip, bool to_us)
{
    uint8_t *icmp = p->data;
    uint64_t pseudo = inet_sum_add16(inet_sum_add(0, ip + 8, 32), IPPROTO_ICMPV6);
    size_t answer = 0;

    if (p->len < ICMP6_LEN)
        return 0;
    if (!p->sum_unset && !sum_good(inet_sum_add16(pseudo, (uint16_t)p->len), icmp, p->len))
        return 0;
    if (icmp[0] == ND_SOLICIT) {
        answer = solicit_answer(p, ip);
    } else if (icmp[0] == ICMP6_ECHO && to_us) {
        icmp[0] = ICMP6_REPLY;
        answer = p->len;
    }
    if (!answer)
        return 0;
    /* The answer's own addresses: a solicitation came to a multicast address. */
    pseudo = inet_sum_add(inet_sum_add(0, ip + 8, 16), p->svc->ip6, 16);
    pseudo = inet_sum_add16(inet_sum_add16(pseudo, IPPROTO_ICMPV6), (uint16_t)answer);
    put_sum(icmp + 2, pseudo, icmp, answer);
    return answer;
}

size_t ip6_answer(struct packet *p)
{
    uint8_t *ip = p->data;
    size_t answer = 0;

    if (p->len < IP6_LEN || ip[0] >> 4 != 6 || !p->svc->has_ip6 || ip[8] == 0xff)
        return 0;
    struct packet inner = *p;
    inner.data += IP6_LEN;
    inner.len = get16(ip + 4);
    inner.cap -= IP6_LEN;
    if (inner.len > p->len - IP6_LEN)
        return 0;
    bool to_us = memcmp(ip + 24, p->svc->ip6, 16) == 0;
    if (ip[6] == IPPROTO_ICMPV6 && (to_us || ip[24] == 0xff))
        answer = icmp6_answer(&inner, ip, to_us);
    else if (ip[6] == IPPROTO_UDP && to_us)
        answer =
            udp_answer(&inner, inet_sum_add16(inet_sum_add(0, ip + 8, 32), IPPROTO_UDP), false);
    if (!answer || answer > UINT16_MAX)
        return 0;
    memcpy(ip + 24, ip + 8, 16);
    memcpy(ip + 8, p->svc->ip6, 16);
    if (ip[7] != HOP_LIMIT_ND || inner.data[0] != ND_ADVERTISE)
        ip[7] = HOP_LIMIT;
    put16(ip + 4, (uint16_t)answer);
    return IP6_LEN + answer;
}
