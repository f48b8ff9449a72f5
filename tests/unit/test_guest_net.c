/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/guest_world.h"

#include <arpa/inet.h>
#include <endian.h>

#include "engine/net/inet_sum.h"
#include "engine/net/port.h"
#include "tools/sim/simvm_counter.h"

static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 1};

static uint8_t *l2(struct world *w, uint16_t type, bool tagged)
{
    uint8_t *eth = w->frame + PORT_VNET_LEN, *p = eth + 12;

    memset(w->frame, 0, sizeof(w->frame));
    memcpy(eth, w->guest.net.mac, 6);
    memcpy(eth + 6, peer_mac, 6);
    if (tagged) {
        memcpy(p, "\x81\x00\x00\x07", 4);
        p += 4;
    }
    p[0] = (uint8_t)(type >> 8);
    p[1] = (uint8_t)type;
    return p + 2;
}

static void store_sum(uint8_t *at, uint64_t sum, const void *data, size_t len)
{
    uint16_t value = inet_sum_finish(inet_sum_add(sum, data, len));

    memcpy(at, &value, 2);
}

/* IPv4 packet at `ip` whose transport part is filled in behind the header. */
static void ip4(uint8_t *ip, uint8_t proto, size_t inner)
{
    ip[0] = 0x45;
    ip[2] = (uint8_t)((20 + inner) >> 8);
    ip[3] = (uint8_t)(20 + inner);
    ip[8] = 3;
    ip[9] = proto;
    inet_pton(AF_INET, "10.1.2.1", ip + 12);
    inet_pton(AF_INET, "10.1.2.3", ip + 16);
    store_sum(ip + 10, 0, ip, 20);
}

static uint64_t pseudo4(const uint8_t *ip, size_t len)
{
    return inet_sum_add16(inet_sum_add16(inet_sum_add(0, ip + 12, 8), ip[9]), (uint16_t)len);
}

static void udp(uint8_t *u, uint16_t port, const void *data, size_t len)
{
    u[0] = 0x12;
    u[1] = 0x34;
    u[2] = (uint8_t)(port >> 8);
    u[3] = (uint8_t)port;
    u[5] = (uint8_t)(8 + len);
    memcpy(u + 8, data, len);
}

static size_t send_udp4(struct world *w, uint16_t port, const void *data, size_t len, bool tagged)
{
    uint8_t *ip = l2(w, 0x0800, tagged);

    udp(ip + 20, port, data, len);
    ip4(ip, 17, 8 + len);
    store_sum(ip + 26, pseudo4(ip, 8 + len), ip + 20, 8 + len);
    return guest_frame(&w->guest, w->frame, (size_t)(ip - w->frame) + 28 + len, sizeof(w->frame));
}

static uint64_t ask_counter(struct world *w, char op, uint64_t client, uint64_t id)
{
    uint8_t msg[17] = {(uint8_t)op};
    uint64_t le = htole64(client), value;

    memcpy(msg + 1, &le, 8);
    le = htole64(id);
    memcpy(msg + 9, &le, 8);
    size_t n = send_udp4(w, NET_PORT_COUNTER, msg, sizeof(msg), false);
    if (!n)
        return 0;
    uint8_t *answer = w->frame + PORT_VNET_LEN + 14 + 28;
    assert_int_equal(n, PORT_VNET_LEN + 14 + 28 + 25);
    assert_int_equal(answer[0], 'C');
    assert_memory_equal(answer + 1, msg + 1, 16);
    memcpy(&value, answer + 17, 8);
    return le64toh(value);
}

static void counter_counts_each_request_once(void **state)
{
    struct world *w = *state;

    assert_int_equal(ask_counter(w, 'I', 1, 10), 1);
    assert_int_equal(ask_counter(w, 'I', 1, 10), 1);
    assert_int_equal(ask_counter(w, 'I', 2, 10), 2);
    assert_int_equal(ask_counter(w, 'I', 1, 11), 3);
    assert_int_equal(ask_counter(w, 'I', 2, 10), 2);
    assert_int_equal(ask_counter(w, 'I', 1, 10), 0); /* a late duplicate */
    assert_int_equal(ask_counter(w, 'R', 9, 1), 3);
    assert_int_equal(ask_counter(w, 'X', 1, 12), 0);
    for (uint64_t client = 100; client < 100 + 2 * COUNTER_CLIENTS; client++)
        assert_int_equal(ask_counter(w, 'I', client, 1), client - 96);
    assert_int_equal(counter_value(&w->mem), 3 + 2 * COUNTER_CLIENTS);
}

static void udp_echo_is_answered_with_good_sums(void **state)
{
    struct world *w = *state;

    for (int tagged = 0; tagged < 2; tagged++) {
        size_t n = send_udp4(w, NET_PORT_ECHO, "hello", 5, tagged);
        uint8_t *eth = w->frame + PORT_VNET_LEN, *ip = eth + 14 + tagged * 4;
        assert_int_equal(n, PORT_VNET_LEN + 14 + tagged * 4 + 28 + 5);
        assert_memory_equal(eth, peer_mac, 6);
        assert_memory_equal(eth + 6, w->guest.net.mac, 6);
        if (tagged)
            assert_memory_equal(eth + 12, "\x81\x00\x00\x07", 4);
        assert_int_equal(inet_sum_finish(inet_sum_add(0, ip, 20)), 0);
        assert_int_equal(inet_sum_finish(inet_sum_add(pseudo4(ip, 13), ip + 20, 13)), 0);
        assert_memory_equal(ip + 16, "\x0a\x01\x02\x01", 4);
        assert_memory_equal(ip + 20, "\x00\x07\x12\x34", 4);
        assert_memory_equal(ip + 28, "hello", 5);
    }
    assert_int_equal(send_udp4(w, 9, "hello", 5, false), 0);
}

static void wrong_sums_are_dropped_partial_ones_accepted(void **state)
{
    struct world *w = *state;
    uint8_t *ip = l2(w, 0x0800, false);
    size_t len = (size_t)(ip - w->frame) + 28 + 5;

    udp(ip + 20, NET_PORT_ECHO, "hello", 5);
    ip4(ip, 17, 13);
    ip[26] = 0xde;
    assert_int_equal(guest_frame(&w->guest, w->frame, len, sizeof(w->frame)), 0);
    w->frame[0] = 1; /* VIRTIO_NET_HDR_F_NEEDS_CSUM */
    assert_int_equal(guest_frame(&w->guest, w->frame, len, sizeof(w->frame)), len);
    assert_int_equal(w->frame[0], 0);
    assert_int_equal(inet_sum_finish(inet_sum_add(pseudo4(ip, 13), ip + 20, 13)), 0);
}

static void arp_and_ping_are_answered(void **state)
{
    struct world *w = *state;
    uint8_t *arp = l2(w, 0x0806, false);

    memcpy(arp, "\x00\x01\x08\x00\x06\x04\x00\x01", 8);
    memcpy(arp + 8, peer_mac, 6);
    memcpy(arp + 14, "\x0a\x01\x02\x01", 4);
    memcpy(arp + 24, "\x0a\x01\x02\x03", 4);
    memset(w->frame + PORT_VNET_LEN, 0xff, 6);
    size_t len = PORT_VNET_LEN + 14 + 28;
    assert_int_equal(guest_frame(&w->guest, w->frame, len, sizeof(w->frame)), len);
    assert_int_equal(arp[7], 2);
    assert_memory_equal(arp + 8, w->guest.net.mac, 6);
    assert_memory_equal(arp + 18, peer_mac, 6);
    assert_memory_equal(arp + 24, "\x0a\x01\x02\x01", 4);

    uint8_t *ip = l2(w, 0x0800, false), *icmp = ip + 20;
    icmp[0] = 8;
    memcpy(icmp + 8, "odd", 3);
    store_sum(icmp + 2, 0, icmp, 11);
    ip4(ip, 1, 11);
    len = PORT_VNET_LEN + 14 + 20 + 11;
    assert_int_equal(guest_frame(&w->guest, w->frame, len, sizeof(w->frame)), len);
    assert_int_equal(icmp[0], 0);
    assert_int_equal(inet_sum_finish(inet_sum_add(0, icmp, 11)), 0);
}

/* IPv6 packet to fd00::3, or its solicited-node address. */
static uint64_t ip6(uint8_t *ip, uint8_t proto, size_t inner, const char *to, uint8_t hops)
{
    ip[0] = 0x60;
    ip[5] = (uint8_t)inner;
    ip[6] = proto;
    ip[7] = hops;
    inet_pton(AF_INET6, "fd00::1", ip + 8);
    inet_pton(AF_INET6, to, ip + 24);
    return inet_sum_add16(inet_sum_add16(inet_sum_add(0, ip + 8, 32), proto), (uint16_t)inner);
}

static void ipv6_is_answered(void **state)
{
    struct world *w = *state;
    uint8_t *ip = l2(w, 0x86dd, false), *nd = ip + 40;
    size_t head = PORT_VNET_LEN + 14 + 40;

    memcpy(w->frame + PORT_VNET_LEN, "\x33\x33\xff\x00\x00\x03", 6);
    nd[0] = 135;
    memcpy(nd + 8, w->guest.net.ip6, 16);
    uint64_t sum = ip6(ip, 58, 24, "ff02::1:ff00:3", 255);
    store_sum(nd + 2, sum, nd, 24);
    assert_int_equal(guest_frame(&w->guest, w->frame, head + 24, sizeof(w->frame)), head + 32);
    assert_int_equal(nd[0], 136);
    assert_int_equal(ip[7], 255);
    assert_memory_equal(nd + 26, w->guest.net.mac, 6);
    sum = inet_sum_add16(inet_sum_add16(inet_sum_add(0, ip + 8, 32), 58), 32);
    assert_int_equal(inet_sum_finish(inet_sum_add(sum, nd, 32)), 0);

    ip = l2(w, 0x86dd, true);
    udp(ip + 40, NET_PORT_ECHO, "six", 3);
    sum = ip6(ip, 17, 11, "fd00::3", 9);
    store_sum(ip + 46, sum, ip + 40, 11);
    assert_int_equal(guest_frame(&w->guest, w->frame, head + 4 + 11, sizeof(w->frame)),
                     head + 4 + 11);
    assert_memory_equal(ip + 24, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
    sum = inet_sum_add16(inet_sum_add16(inet_sum_add(0, ip + 8, 32), 17), 11);
    assert_int_equal(inet_sum_finish(inet_sum_add(sum, ip + 40, 11)), 0);
}

static void any_other_ethertype_is_reflected_on_request(void **state)
{
    struct world *w = *state;
    uint8_t *data = l2(w, 0x88b5, false);
    size_t len = PORT_VNET_LEN + 14 + 30;

    memcpy(data, "payload", 7);
    assert_int_equal(guest_frame(&w->guest, w->frame, len, sizeof(w->frame)), len);
    assert_memory_equal(w->frame + PORT_VNET_LEN, peer_mac, 6);
    assert_memory_equal(data, "payload", 7);
    l2(w, 0x88b6, false);
    assert_int_equal(guest_frame(&w->guest, w->frame, len, sizeof(w->frame)), 0);
    l2(w, 0x88b5, false);
    w->frame[PORT_VNET_LEN + 5] ^= 1; /* to somebody else */
    assert_int_equal(guest_frame(&w->guest, w->frame, len, sizeof(w->frame)), 0);
}

/* Under the sanitizers: cut and damaged frames in buffers of just their size. */
static void hostile_frames_stay_inside_their_buffer(void **state)
{
    struct world *w = *state;
    uint64_t rng = 7;

    for (unsigned i = 0; i < 20000; i++) {
        struct vcpu dice = {.rng = rng + i + 1};
        uint64_t r = vcpu_random(&dice), q = vcpu_random(&dice);
        uint8_t *l3 = l2(w, r & 1 ? 0x0800 : 0x86dd, r & 2);
        udp(l3 + (r & 1 ? 20 : 40), r & 4 ? 7 : 7000, "Iaaaaaaaabbbbbbbb", 17);
        if (r & 1)
            ip4(l3, r & 8 ? 17 : 1, 25);
        else
            ip6(l3, r & 8 ? 17 : 58, 25, "fd00::3", 255);
        w->frame[0] = (r >> 4) & 1;
        w->frame[PORT_VNET_LEN + 12 + q % 70] ^= (uint8_t)(r >> 8);
        size_t len = (r >> 16) % 120;
        uint8_t *tight = malloc(len + 1);
        memcpy(tight, w->frame, len);
        assert_true(guest_frame(&w->guest, tight, len, len) <= len);
        free(tight);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counter_counts_each_request_once),
        TEST(udp_echo_is_answered_with_good_sums),
        TEST(wrong_sums_are_dropped_partial_ones_accepted),
        TEST(arp_and_ping_are_answered),
        TEST(ipv6_is_answered),
        TEST(any_other_ethertype_is_reflected_on_request),
        TEST(hostile_frames_stay_inside_their_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
