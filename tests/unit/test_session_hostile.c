/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/proto_samples.h"

/* What a peer may do to the octets: I5 says that none of it gets anywhere. */

/** Octets of the header's fields. */
enum { MAGIC = 0, TYPE = 4, FLAGS = 6, LENGTH = 8, CRC = 12, GENERATION = 16, SEQUENCE = 24 };

static void put_le(uint8_t *p, unsigned octets, uint64_t v)
{
    for (unsigned i = 0; i < octets; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/** The checksum made right again, so that the offence itself is found. */
static void sign(uint8_t *record, size_t n)
{
    put_le(record + CRC, 4, 0);
    put_le(record + CRC, 4, wire_crc32c(0, record, n));
}

/** An open session whose primary has just put BEAT into p->out, not yet carried. */
static void open_with_beat(struct pair *p)
{
    struct msg_beat beat = {.sent_ns = 77};

    assert_true(pair_open(p, WIRE_FEATURES_ALL));
    assert_true(session_put_beat(&p->primary, pair_room(p), &beat));
}

/** BEAT with one header field changed and signed again: refused by the header alone. */
static void assert_refused(unsigned at, unsigned octets, uint64_t v, const char *says)
{
    struct pair p;

    open_with_beat(&p);
    put_le(p.out + at, octets, v);
    sign(p.out, pair_taken(&p));
    assert_int_equal(pair_recv(&p, &p.backup, p.out, WIRE_HEADER_LEN), -1);
    assert_int_equal(p.backup.state, SESSION_DEAD);
    assert_int_equal(p.backup.error_code, WIRE_REJECT_PROTOCOL);
    if (!session_says(&p.backup, says))
        fail_msg("\"%s\" does not mention \"%s\"", p.backup.error, says);
    pair_free(&p);
}

static void header_fields_out_of_range(void **state)
{
    (void)state;
    assert_refused(MAGIC, 4, WIRE_MAGIC + 1, "magic");
    assert_refused(MAGIC, 4, 0, "magic");
    assert_refused(FLAGS, 2, 1, "flags");
    assert_refused(FLAGS, 2, 0x8000, "flags");
    assert_refused(LENGTH, 4, 7, "BEAT with a payload of 7");
    assert_refused(LENGTH, 4, 9, "BEAT with a payload of 9");
    assert_refused(LENGTH, 4, WIRE_PAYLOAD_MAX, "BEAT with");
    assert_refused(LENGTH, 4, WIRE_PAYLOAD_MAX + 1, "payload of 1048577");
    assert_refused(LENGTH, 4, 0xffffffff, "payload of 4294967295");
    assert_refused(GENERATION, 8, SAMPLE_GENERATION - 1, "generation");
    assert_refused(GENERATION, 8, SAMPLE_GENERATION + 1, "generation");
    assert_refused(GENERATION, 8, 0, "generation");
    assert_refused(SEQUENCE, 8, 0, "sequence 0 where 1 is next");
    assert_refused(SEQUENCE, 8, 2, "sequence 2 where 1 is next");
    assert_refused(SEQUENCE, 8, UINT64_MAX, "sequence");
}

static void types_unknown_or_not_now(void **state)
{
    (void)state;
    static const uint16_t unknown[] = {0, 10, 64, 71, 127, 130, 0x7fff};

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_refused(TYPE, 2, unknown[i], "unknown record type");
    assert_refused(TYPE, 2, WIRE_HELLO, "HELLO with");
    assert_refused(TYPE, 2, WIRE_BYE_ACK, "BYE_ACK with");
}

static void own_direction_is_refused(void **state)
{
    (void)state;
    struct pair p;
    struct msg_ack ack = {.lease_ms = 1};

    assert_true(pair_open(&p, WIRE_FEATURES_ALL));
    assert_true(session_put_beat_ack(&p.backup, pair_room(&p), &ack));
    assert_int_equal(pair_carry(&p, &p.backup), -1);
    assert_true(session_says(&p.backup, "BEAT_ACK from the primary"));
    pair_free(&p);
}

static void an_unknown_optional_record_is_skipped(void **state)
{
    (void)state;
    static const uint32_t lens[] = {0, 8, 1000, WIRE_PAYLOAD_MAX};
    struct pair p;
    size_t used, need;

    pair_init(&p);
    for (uint64_t i = 0; i < 4; i++) { /* before HELLO already */
        size_t n = WIRE_HEADER_LEN + lens[i];
        memset(p.out, 0x33, n);
        put_le(p.out + MAGIC, 4, WIRE_MAGIC);
        put_le(p.out + TYPE, 2, WIRE_TYPE_OPTIONAL | (0x7000 + i));
        put_le(p.out + FLAGS, 2, 0);
        put_le(p.out + LENGTH, 4, lens[i]);
        put_le(p.out + SEQUENCE, 8, i);
        sign(p.out, n);
        assert_int_equal(session_recv(&p.backup, p.out, n, &p.ev, &used, &need), 0);
        assert_int_equal(used, n);
    }
    p.primary.tx_seq = 4;
    struct msg_hello hello = sample_hello();
    assert_true(FORTH(&p, session_put_hello, &hello));
    pair_free(&p);
}

static void an_optional_record_is_checked_too(void **state)
{
    (void)state;
    for (int offence = 0; offence < 4; offence++) {
        struct pair p;
        size_t used, need;
        open_with_beat(&p);
        put_le(p.out + TYPE, 2, WIRE_TYPE_OPTIONAL);
        if (offence == 1)
            put_le(p.out + SEQUENCE, 8, 9);
        if (offence == 2)
            put_le(p.out + GENERATION, 8, 9);
        sign(p.out, pair_taken(&p));
        if (offence == 3)
            p.out[WIRE_HEADER_LEN] ^= 1;
        int r = session_recv(&p.backup, p.out, pair_taken(&p), &p.ev, &used, &need);
        assert_int_equal(r, offence ? -1 : 0);
        pair_free(&p);
    }
}

static void hello_needs_a_generation(void **state)
{
    (void)state;
    struct pair p;
    struct msg_hello hello = sample_hello();

    pair_init(&p);
    assert_true(session_put_hello(&p.primary, pair_room(&p), &hello));
    put_le(p.out + GENERATION, 8, 0);
    sign(p.out, pair_taken(&p));
    assert_int_equal(pair_carry(&p, &p.backup), -1);
    pair_free(&p);
}

static void every_flipped_bit_is_found(void **state)
{
    (void)state;
    struct pair p;
    struct msg_addrs addrs = sample_addrs(1);

    assert_true(pair_open(&p, WIRE_FEATURES_ALL) && pair_begin(&p, WIRE_EPOCH_FULL));
    assert_true(session_put_addrs(&p.primary, pair_room(&p), &addrs));
    size_t n = pair_taken(&p);
    const struct session before = p.backup;
    for (size_t bit = 0; bit < n * 8; bit++) {
        p.backup = before;
        p.out[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int r = pair_recv(&p, &p.backup, p.out, n);
        p.out[bit / 8] ^= (uint8_t)(1u << bit % 8);
        /* A length that grew may also ask for more octets. */
        bool longer = bit / 8 >= LENGTH && bit / 8 < LENGTH + 4 && r == 0;
        assert_true(r == -1 || longer);
    }
    p.backup = before;
    assert_int_equal(pair_carry(&p, &p.backup), 1);
    pair_free(&p);
}

static void every_truncation_waits_for_the_rest(void **state)
{
    (void)state;
    struct pair p;
    struct msg_hello hello = sample_hello();
    size_t used, need;

    pair_init(&p);
    assert_true(session_put_hello(&p.primary, pair_room(&p), &hello));
    size_t whole = pair_taken(&p);
    for (size_t n = 0; n < whole; n++) {
        uint8_t *exact = malloc(n ? n : 1);
        memcpy(exact, p.out, n);
        assert_int_equal(session_recv(&p.backup, exact, n, &p.ev, &used, &need), 0);
        assert_int_equal(used, 0);
        assert_int_equal(need, n < WIRE_HEADER_LEN ? WIRE_HEADER_LEN : whole);
        assert_int_equal(p.backup.state, SESSION_START);
        free(exact);
    }
    assert_int_equal(pair_carry(&p, &p.backup), 1);
    pair_free(&p);
}

static void a_dead_session_stays_dead(void **state)
{
    (void)state;
    struct pair p;
    size_t used, need;
    char error[WIRE_TEXT_MAX + 1];

    open_with_beat(&p);
    p.out[MAGIC] ^= 1;
    assert_int_equal(pair_carry(&p, &p.backup), -1);
    memcpy(error, p.backup.error, sizeof(error));
    p.out[MAGIC] ^= 1;
    assert_int_equal(session_recv(&p.backup, p.out, pair_taken(&p), &p.ev, &used, &need), -1);
    assert_string_equal(p.backup.error, error);
    pair_free(&p);
}

static void a_replayed_record_is_refused(void **state)
{
    (void)state;
    struct pair p;

    open_with_beat(&p);
    assert_int_equal(pair_carry(&p, &p.backup), 1);
    assert_int_equal(pair_carry(&p, &p.backup), -1);
    assert_true(session_says(&p.backup, "sequence"));
    pair_free(&p);
}

/** One whole epoch whose fields lie, each signed again: the session's own checks find it. */
static void fields_that_lie(void **state)
{
    (void)state;
    static const struct {
        unsigned at;
        const char *says;
    } lie[] = {{0, "epoch"}, {8, "pages"}, {16, "frames"}};

    for (size_t i = 0; i < sizeof(lie) / sizeof(lie[0]); i++) {
        struct pair p;
        static const uint8_t octet = 1;
        struct msg_state st = {.epoch = 1, .total_len = 1, .len = 1, .data = &octet};
        struct msg_epoch_end end = sample_end(1, 0, 0);
        assert_true(pair_open(&p, 0) && pair_begin(&p, WIRE_EPOCH_FULL));
        assert_true(FORTH(&p, session_put_state, &st));
        assert_true(session_put_epoch_end(&p.primary, pair_room(&p), &end));
        p.out[WIRE_HEADER_LEN + lie[i].at] ^= 2;
        sign(p.out, pair_taken(&p));
        assert_int_equal(pair_carry(&p, &p.backup), -1);
        assert_true(session_says(&p.backup, lie[i].says));
        pair_free(&p);
    }
}

static void short_room_changes_nothing(void **state)
{
    (void)state;
    struct pair p;
    struct msg_hello hello = sample_hello();

    pair_init(&p);
    assert_true(session_put_hello(&p.primary, pair_room(&p), &hello));
    size_t need = pair_taken(&p);
    session_init(&p.primary, SESSION_PRIMARY, SAMPLE_GENERATION);
    for (size_t room = 0; room <= need; room++) {
        uint8_t *exact = malloc(room ? room : 1);
        struct wcur w = {.p = exact, .end = exact + room};
        assert_int_equal(session_put_hello(&p.primary, &w, &hello), room == need);
        assert_ptr_equal(w.p, room == need ? exact + room : exact);
        assert_false(w.bad);
        assert_true(p.primary.tx_seq == (room == need));
        free(exact);
    }
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_fields_out_of_range),
        cmocka_unit_test(types_unknown_or_not_now),
        cmocka_unit_test(own_direction_is_refused),
        cmocka_unit_test(an_unknown_optional_record_is_skipped),
        cmocka_unit_test(an_optional_record_is_checked_too),
        cmocka_unit_test(hello_needs_a_generation),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(every_truncation_waits_for_the_rest),
        cmocka_unit_test(a_dead_session_stays_dead),
        cmocka_unit_test(a_replayed_record_is_refused),
        cmocka_unit_test(fields_that_lie),
        cmocka_unit_test(short_room_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
