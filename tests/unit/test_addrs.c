/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/net/addrs.h"

static const uint8_t mac_a[6] = {0x52, 0x54, 0, 0, 0, 0xaa};
static const uint8_t mac_b[6] = {0x52, 0x54, 0, 0, 0, 0xbb};
static const uint8_t ip4[4] = {10, 0, 0, 5};
static const uint8_t ip6[16] = {0xfd, 0, [15] = 5};

struct frame {
    uint8_t byte[PORT_VNET_LEN + 200];
    size_t len;
};

static void append(struct frame *f, const void *data, size_t len)
{
    memcpy(f->byte + f->len, data, len);
    f->len += len;
}

static void append16(struct frame *f, uint16_t v)
{
    v = htons(v);
    append(f, &v, 2);
}

/** vnet and Ethernet header from `mac`; tci 0 means untagged. */
static void begin(struct frame *f, const uint8_t *mac, uint16_t tci, uint16_t type)
{
    memset(f, 0, sizeof(*f));
    f->len = PORT_VNET_LEN;
    append(f, "\xff\xff\xff\xff\xff\xff", 6);
    append(f, mac, 6);
    if (tci) {
        append16(f, 0x8100);
        append16(f, tci);
    }
    append16(f, type);
}

static void make_arp(struct frame *f, const uint8_t *mac, uint16_t tci, const uint8_t *sender)
{
    begin(f, mac, tci, 0x0806);
    append(f, "\0\1\x08\0\6\4\0\1", 8);
    append(f, mac, 6);
    append(f, sender, 4);
    append(f, "\0\0\0\0\0\0\x0a\0\0\1", 10);
}

static void make_ip4(struct frame *f, const uint8_t *mac, uint16_t tci, const uint8_t *source)
{
    begin(f, mac, tci, 0x0800);
    append(f, "\x45\0\0\x14\0\0\0\0\x40\x11\0\0", 12);
    append(f, source, 4);
    append(f, "\x0a\0\0\1", 4);
}

static void make_ip6(struct frame *f, const uint8_t *mac, uint16_t tci, const uint8_t *source)
{
    begin(f, mac, tci, 0x86dd);
    append(f, "\x60\0\0\0\0\0\x3b\x40", 8);
    append(f, source, 16);
    append(f, ip6, 16);
}

static void learn(struct addrs *a, const struct frame *f)
{
    addrs_learn(a, f->byte, f->len);
}

static void expect(const struct addr *a, int family, const uint8_t *mac, int vlan, const void *ip)
{
    assert_int_equal(a->family, family);
    assert_memory_equal(a->mac, mac, 6);
    assert_int_equal(a->vlan, vlan);
    assert_memory_equal(a->ip, ip, family == 4 ? 4 : 16);
}

static void learns_from_arp_ip4_and_ip6(void **state)
{
    (void)state;
    struct addrs a = {0};
    struct frame f;

    make_arp(&f, mac_a, 0, ip4);
    learn(&a, &f);
    make_ip4(&f, mac_a, 0, (const uint8_t[]){10, 0, 0, 6});
    learn(&a, &f);
    make_ip6(&f, mac_a, 0, ip6);
    learn(&a, &f);
    assert_int_equal(a.count, 3);
    assert_int_equal(a.version, 3);
    expect(&a.addr[0], 4, mac_a, 0, ip4);
    expect(&a.addr[2], 6, mac_a, 0, ip6);
}

static void repeated_frames_change_nothing(void **state)
{
    (void)state;
    struct addrs a = {0};
    struct frame arp, ip;

    make_arp(&arp, mac_a, 0, ip4);
    make_ip4(&ip, mac_a, 0, ip4);
    for (int i = 0; i < 10; i++) {
        learn(&a, &arp);
        learn(&a, &ip);
    }
    assert_int_equal(a.count, 1);
    assert_int_equal(a.version, 1);
}

static void keeps_the_vlan_apart(void **state)
{
    (void)state;
    struct addrs a = {0};
    struct frame f;

    make_arp(&f, mac_a, 0x6064, ip4); /* priority 3, VID 100 */
    learn(&a, &f);
    make_ip4(&f, mac_a, 0x2000, ip4); /* priority tag only: no VLAN */
    learn(&a, &f);
    assert_int_equal(a.count, 2);
    expect(&a.addr[0], 4, mac_a, 100, ip4);
    expect(&a.addr[1], 4, mac_a, 0, ip4);
}

static void moved_address_replaces_its_mac(void **state)
{
    (void)state;
    struct addrs a = {0};
    struct frame f;

    make_arp(&f, mac_a, 0, ip4);
    learn(&a, &f);
    make_arp(&f, mac_b, 0, ip4);
    learn(&a, &f);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.version, 2);
    expect(&a.addr[0], 4, mac_b, 0, ip4);
}

static void ignores_what_no_station_owns(void **state)
{
    (void)state;
    static const uint8_t bad4[][4] = {
        {0}, {127, 0, 0, 1}, {224, 0, 0, 1}, {239, 255, 255, 250}, {255, 255, 255, 255}};
    static const uint8_t bad6[][16] = {{0}, {[15] = 1}, {0xff, 2, [15] = 1}};
    static const uint8_t group_mac[6] = {1, 0, 0x5e, 0, 0, 1}, no_mac[6];
    struct addrs a = {0};
    struct frame f;

    for (size_t i = 0; i < ARRAY_LEN(bad4); i++) {
        make_arp(&f, mac_a, 0, bad4[i]); /* the first is what a probe looks like */
        learn(&a, &f);
        make_ip4(&f, mac_a, 0, bad4[i]);
        learn(&a, &f);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad6); i++) {
        make_ip6(&f, mac_a, 0, bad6[i]);
        learn(&a, &f);
    }
    make_ip4(&f, group_mac, 0, ip4);
    learn(&a, &f);
    make_arp(&f, no_mac, 0, ip4);
    learn(&a, &f);
    assert_int_equal(a.count, 0);
    assert_int_equal(a.version, 0);
}

static void mac_of_a_silent_guest_is_kept(void **state)
{
    (void)state;
    struct addrs a = {0};
    struct frame f;

    addrs_add_mac(&a, (const uint8_t[6]){0});
    addrs_add_mac(&a, (const uint8_t[6]){1, 0, 0x5e, 0, 0, 1});
    assert_int_equal(a.count, 0);
    addrs_add_mac(&a, mac_a);
    assert_int_equal(a.version, 1);
    make_arp(&f, mac_a, 0, ip4);
    learn(&a, &f);
    assert_int_equal(a.count, 2);
    expect(&a.addr[0], 0, mac_a, 0, (const uint8_t[16]){0});
    expect(&a.addr[1], 4, mac_a, 0, ip4);
}

static void full_table_gives_up_the_longest_unseen(void **state)
{
    (void)state;
    struct addrs a = {0};
    struct frame f;
    uint8_t ip[4] = {10, 1, 0, 0};

    for (ip[3] = 0; ip[3] < ADDRS_MAX; ip[3]++) {
        make_ip4(&f, mac_a, 0, ip);
        learn(&a, &f);
    }
    ip[3] = 0; /* the first is seen again, so the second is now the oldest */
    make_ip4(&f, mac_a, 0, ip);
    learn(&a, &f);
    ip[3] = 200;
    make_ip4(&f, mac_a, 0, ip);
    learn(&a, &f);
    assert_int_equal(a.count, ADDRS_MAX);
    assert_int_equal(a.version, ADDRS_MAX + 1);
    expect(&a.addr[ADDRS_MAX - 1], 4, mac_a, 0, ip);
    expect(&a.addr[ADDRS_MAX - 2], 4, mac_a, 0, (const uint8_t[]){10, 1, 0, 0});
    expect(&a.addr[0], 4, mac_a, 0, (const uint8_t[]){10, 1, 0, 2});
}

/* Every prefix in a heap block of its own size, so that the sanitizer sees a byte too far. */
static void short_frames_are_never_read_beyond_their_end(void **state)
{
    (void)state;
    struct frame f[4];

    make_arp(&f[0], mac_a, 7, ip4);
    make_ip4(&f[1], mac_a, 0, ip4);
    make_ip6(&f[2], mac_a, 7, ip6);
    make_ip6(&f[3], mac_a, 0, ip6);
    for (size_t i = 0; i < ARRAY_LEN(f); i++)
        for (size_t len = 0; len < f[i].len; len++) {
            struct addrs a = {0};
            uint8_t *exact = malloc(len ? len : 1);
            assert_non_null(exact);
            memcpy(exact, f[i].byte, len);
            addrs_learn(&a, exact, len);
            assert_int_equal(a.count, 0);
            free(exact);
        }
}

static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    static const uint16_t types[] = {0x0806, 0x0800, 0x86dd, 0x8100, 0x88a8, 0x1234};
    struct addrs a = {0};
    struct frame f;

    srand(11);
    for (int i = 0; i < 100000; i++) {
        begin(&f, mac_a, (uint16_t)(rand() & 1), types[(size_t)rand() % ARRAY_LEN(types)]);
        for (int n = rand() % 60; n > 0; n--)
            append(&f, &(uint8_t){(uint8_t)rand()}, 1);
        learn(&a, &f);
        assert_true(a.count <= ADDRS_MAX);
    }
}

/* An announcement is itself something to learn from: what comes back must be what went in. */
static void announcements_say_what_was_learned(void **state)
{
    (void)state;
    static const uint16_t vlans[] = {0, 100};

    for (size_t i = 0; i < ARRAY_LEN(vlans); i++)
        for (int family = 4; family <= 6; family += 2) {
            struct addr addr = {.family = (uint8_t)family, .vlan = vlans[i]};
            uint8_t buf[ADDRS_ANNOUNCE_MAX];
            struct addrs back = {0};

            memcpy(addr.mac, mac_b, 6);
            memcpy(addr.ip, family == 4 ? ip4 : ip6, family == 4 ? 4 : 16);
            size_t len = addrs_announce(&addr, buf);
            assert_true(len <= sizeof(buf));
            addrs_learn(&back, buf, len);
            assert_int_equal(back.count, 1);
            assert_memory_equal(&back.addr[0], &addr, sizeof(addr));
        }
}

/* Golden octets, from the figures of RFC 826, 903, 5227 and RFC 4861; the checksum was worked out
 * apart.
 */
static void announcements_have_these_octets(void **state)
{
    (void)state;
    static const uint8_t arp[10 + 60] = {
        [10] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0,    0,    0,  0xbb, 8, 6,
        0,           1,    8,    0,    6,    4,    0,    1,    0x52, 0x54, 0,  0,    0, 0xbb,
        10,          0,    0,    5,    0,    0,    0,    0,    0,    0,    10, 0,    0, 5};
    static const uint8_t advert[] = {
        0,    0,    0,    0,    0,    0,    0, 0, 0,    0,    0x33, 0x33, 0, 0, 0,   1, 0x52,
        0x54, 0,    0,    0,    0xbb, 0x81, 0, 0, 100,  0x86, 0xdd, 0x60, 0, 0, 0,   0, 32,
        58,   255,  0xfd, 0,    0,    0,    0, 0, 0,    0,    0,    0,    0, 0, 0,   0, 0,
        5,    0xff, 2,    0,    0,    0,    0, 0, 0,    0,    0,    0,    0, 0, 0,   0, 1,
        136,  0,    0x09, 0x85, 0x20, 0,    0, 0, 0xfd, 0,    0,    0,    0, 0, 0,   0, 0,
        0,    0,    0,    0,    0,    0,    5, 2, 1,    0x52, 0x54, 0,    0, 0, 0xbb};
    struct addr addr = {.family = 4, .ip = {10, 0, 0, 5}};
    uint8_t buf[ADDRS_ANNOUNCE_MAX];

    memcpy(addr.mac, mac_b, 6);
    assert_int_equal(addrs_announce(&addr, buf), sizeof(arp));
    assert_memory_equal(buf, arp, sizeof(arp));

    addr.family = 6;
    addr.vlan = 100;
    memcpy(addr.ip, ip6, 16);
    assert_int_equal(addrs_announce(&addr, buf), sizeof(advert));
    assert_memory_equal(buf, advert, sizeof(advert));

    static const uint8_t rarp[10 + 60] = {
        [10] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0,    0,    0xbb, 0x80,
        0x35,        0,    1,    8,    0,    6,    4,    0,    3, 0x52, 0x54, 0,    0,
        0,           0xbb, 0,    0,    0,    0,    0x52, 0x54, 0, 0,    0,    0xbb};
    addr = (struct addr){.family = 0};
    memcpy(addr.mac, mac_b, 6);
    assert_int_equal(addrs_announce(&addr, buf), sizeof(rarp));
    assert_memory_equal(buf, rarp, sizeof(rarp));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_from_arp_ip4_and_ip6),
        cmocka_unit_test(repeated_frames_change_nothing),
        cmocka_unit_test(keeps_the_vlan_apart),
        cmocka_unit_test(moved_address_replaces_its_mac),
        cmocka_unit_test(ignores_what_no_station_owns),
        cmocka_unit_test(mac_of_a_silent_guest_is_kept),
        cmocka_unit_test(full_table_gives_up_the_longest_unseen),
        cmocka_unit_test(short_frames_are_never_read_beyond_their_end),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(announcements_say_what_was_learned),
        cmocka_unit_test(announcements_have_these_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
