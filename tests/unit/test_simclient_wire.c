/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/base/compiler.h"
#include "tools/sim/simclient_wire.h"

/** Every family, with and without a tag; us and them as seen from one end. */
static void make_path(struct wire_path *p, unsigned variant)
{
    static const struct wire_host hosts[2][2] = {
        {{{2, 0, 0, 0, 0, 1}, {10, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}, {10, 0, 0, 2}}},
        {{{2, 0, 0, 0, 0, 1}, {0xfd, [15] = 1}}, {{2, 0, 0, 0, 0, 2}, {0xfd, [15] = 2}}}};

    *p = (struct wire_path){.v6 = variant & 1, .vlan = variant & 2 ? 100 : 0};
    p->us = hosts[p->v6][0];
    p->them = hosts[p->v6][1];
}

static struct wire_path other_end(const struct wire_path *p)
{
    struct wire_path other = *p;

    other.us = p->them;
    other.them = p->us;
    return other;
}

#define VARIANTS 4

static void datagram_comes_out_as_it_went_in(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 17, 200, WIRE_PAYLOAD_MAX};
    static uint8_t payload[WIRE_PAYLOAD_MAX], buf[WIRE_FRAME_MAX];

    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7);
    for (unsigned v = 0; v < VARIANTS; v++)
        for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
            struct wire_path p, back;
            struct wire_got got;
            make_path(&p, v);
            back = other_end(&p);
            size_t len = wire_udp(buf, &p, 1234, 7000, payload, lengths[i]);
            assert_int_equal(wire_parse(&back, buf, len, &got), WIRE_UDP);
            assert_int_equal(got.sport, 1234);
            assert_int_equal(got.dport, 7000);
            assert_int_equal(got.len, lengths[i]);
            assert_memory_equal(got.payload, payload, lengths[i]);
        }
}

static void question_is_answered_with_the_address(void **state)
{
    (void)state;
    uint8_t buf[WIRE_FRAME_MAX];

    for (unsigned v = 0; v < VARIANTS; v++) {
        struct wire_path p, back;
        struct wire_got got;
        make_path(&p, v);
        back = other_end(&p);
        assert_int_equal(wire_parse(&back, buf, wire_ask(buf, &p), &got), WIRE_ASKED);
        assert_memory_equal(got.host.mac, p.us.mac, 6);
        size_t len = wire_tell(buf, &back, &got.host);
        assert_int_equal(wire_parse(&p, buf, len, &got), WIRE_TOLD);
        assert_memory_equal(&got.host, &p.them, sizeof(got.host));
    }
}

static void other_vlan_family_or_station_is_not_for_us(void **state)
{
    (void)state;
    uint8_t buf[WIRE_FRAME_MAX];

    for (unsigned v = 0; v < VARIANTS; v++) {
        struct wire_path p, back;
        struct wire_got got;
        make_path(&p, v);
        size_t len = wire_udp(buf, &p, 1, 2, "x", 1);
        back = other_end(&p);
        back.vlan ^= 1;
        assert_int_equal(wire_parse(&back, buf, len, &got), WIRE_OTHER);
        back = other_end(&p);
        back.us.mac[5] ^= 1;
        assert_int_equal(wire_parse(&back, buf, len, &got), WIRE_OTHER);
        make_path(&back, v ^ 1);
        back = other_end(&back);
        assert_int_equal(wire_parse(&back, buf, len, &got), WIRE_OTHER);
    }
}

/* One octet changed anywhere behind the Ethernet header: never taken for the real one. */
static void damage_is_noticed(void **state)
{
    (void)state;
    uint8_t buf[WIRE_FRAME_MAX];

    for (unsigned v = 0; v < 2; v++) {
        struct wire_path p, back;
        struct wire_got got;
        make_path(&p, v);
        back = other_end(&p);
        size_t len = wire_udp(buf, &p, 1, 2, "0123456789012345678901234567890123456789", 40);
        size_t ip = 10 + 14, skip6 = 8; /* version, class, label, hops: under no checksum */
        for (size_t i = ip + (p.v6 ? skip6 : 0); i < len; i++) {
            buf[i] ^= 0x10;
            assert_int_not_equal(wire_parse(&back, buf, len, &got), WIRE_UDP);
            buf[i] ^= 0x10;
        }
        assert_int_equal(wire_parse(&back, buf, len, &got), WIRE_UDP);
    }
}

/* In heap blocks of their own size, for the sanitizer. */
static void cut_and_random_frames_are_never_read_beyond_their_end(void **state)
{
    (void)state;
    uint8_t buf[WIRE_FRAME_MAX];

    srand(5);
    for (unsigned v = 0; v < VARIANTS; v++) {
        struct wire_path p, back;
        make_path(&p, v);
        back = other_end(&p);
        for (int kind = 0; kind < 3; kind++) {
            size_t len = kind == 0   ? wire_udp(buf, &p, 1, 2, "abc", 3)
                         : kind == 1 ? wire_ask(buf, &p)
                                     : wire_tell(buf, &p, &p.them);
            for (int i = 0; i < 3000; i++) {
                struct wire_got got;
                size_t cut = (size_t)rand() % (len + 1);
                uint8_t *exact = malloc(cut ? cut : 1);
                assert_non_null(exact);
                memcpy(exact, buf, cut);
                for (int n = i % 4; n > 0 && cut > 22; n--)
                    exact[22 + (size_t)rand() % (cut - 22)] = (uint8_t)rand();
                if (wire_parse(&back, exact, cut, &got) == WIRE_UDP && got.len)
                    assert_true(got.payload + got.len <= exact + cut);
                free(exact);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagram_comes_out_as_it_went_in),
        cmocka_unit_test(question_is_answered_with_the_address),
        cmocka_unit_test(other_vlan_family_or_station_is_not_for_us),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(cut_and_random_frames_are_never_read_beyond_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
