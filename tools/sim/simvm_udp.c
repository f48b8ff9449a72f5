/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simvm_counter.h"
#include "tools/sim/simvm_net_impl.h"

#define UDP_LEN 8

static bool udp_valid(const struct packet *p, uint64_t pseudo, bool zero_ok, size_t *len)
{
    if (p->len < UDP_LEN)
        return false;
    *len = get16(p->data + 4);
    if (*len < UDP_LEN || *len > p->len)
        return false;
    if (p->sum_unset)
        return true;
    if (get16(p->data + 6) == 0)
        return zero_ok;
    return sum_good(inet_sum_add16(pseudo, (uint16_t)*len), p->data, *len);
}

static size_t service(const struct packet *p, uint16_t port, size_t len)
{
    if (port == NET_PORT_ECHO)
        return len;
    if (port == NET_PORT_COUNTER)
        return counter_answer(p->svc->mem, p->data + UDP_LEN, len, p->cap - UDP_LEN);
    return 0;
}

size_t udp_answer(struct packet *p, uint64_t pseudo, bool zero_ok)
{
    uint8_t *udp = p->data;
    size_t len;

    if (!udp_valid(p, pseudo, zero_ok, &len))
        return 0;
    size_t answer = service(p, get16(udp + 2), len - UDP_LEN);
    if (!answer)
        return 0;
    answer += UDP_LEN;
    swap_fields(udp, 2);
    put16(udp + 4, (uint16_t)answer);
    put_sum(udp + 6, inet_sum_add16(pseudo, (uint16_t)answer), udp, answer);
    /* 0 would mean "no checksum". */
    if (get16(udp + 6) == 0)
        put16(udp + 6, 0xffff);
    return answer;
}
