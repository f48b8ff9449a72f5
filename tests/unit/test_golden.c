/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/golden.h"
#include "tests/unit/golden_expect.h"
#include "tests/unit/proto_samples.h"

/* Every record in every direction it has, as octets: tests/golden/NAME.bin. */

static const uint8_t state_octets[] = "registers and devices";

static bool put_hello(struct session *s, struct wcur *w)
{
    struct msg_hello m = sample_hello();

    return session_put_hello(s, w, &m);
}

static bool put_welcome(struct session *s, struct wcur *w)
{
    /* No LZ4: what it makes of a page may differ from one of its releases to the next. */
    struct msg_welcome m = sample_welcome(WIRE_FEATURE_DELTA);

    return session_put_welcome(s, w, &m);
}

static bool put_epoch_begin(struct session *s, struct wcur *w)
{
    struct msg_epoch_begin m = sample_begin(1, WIRE_EPOCH_FULL);

    return session_put_epoch_begin(s, w, &m);
}

static bool put_pages(struct session *s, struct wcur *w)
{
    static uint8_t zero[WIRE_PAGE_SIZE], noise[WIRE_PAGE_SIZE], changed[WIRE_PAGE_SIZE];
    struct pages_writer pw;

    sample_noise(noise, sizeof(noise), 7);
    memcpy(changed, noise, sizeof(changed));
    memset(changed + 300, 0xee, 5);
    if (!session_pages_begin(s, &pw, w, 3))
        return false;
    return session_pages_add(&pw, 0x10, zero, NULL) == WIRE_PAGE_ZERO &&
           session_pages_add(&pw, 0x11, noise, NULL) == WIRE_PAGE_RAW &&
           session_pages_add(&pw, 0x11, changed, noise) == WIRE_PAGE_DELTA &&
           session_pages_end(&pw, w) > 0;
}

static bool put_state(struct session *s, struct wcur *w)
{
    struct msg_state m = {.epoch = 1,
                          .total_len = sizeof(state_octets),
                          .len = sizeof(state_octets),
                          .data = state_octets};

    return session_put_state(s, w, &m);
}

static bool put_two_frames(struct session *s, struct wcur *w, enum wire_type type)
{
    uint8_t frame[100] = {0};
    struct frames_writer fw;

    sample_noise(frame + 10, sizeof(frame) - 10, type);
    return session_frames_begin(s, &fw, w, type) && session_frames_add(&fw, frame, 70) &&
           session_frames_add(&fw, frame, 100) && session_frames_end(&fw, w) > 0;
}

static bool put_frames(struct session *s, struct wcur *w)
{
    return put_two_frames(s, w, WIRE_FRAMES);
}

static bool put_frames_in(struct session *s, struct wcur *w)
{
    return put_two_frames(s, w, WIRE_FRAMES_IN);
}

static bool put_addrs(struct session *s, struct wcur *w)
{
    struct msg_addrs m = sample_addrs(1);

    return session_put_addrs(s, w, &m);
}

static bool put_beat(struct session *s, struct wcur *w)
{
    struct msg_beat m = {.sent_ns = 0x0102030405060708};

    return session_put_beat(s, w, &m);
}

static bool put_beat_ack(struct session *s, struct wcur *w)
{
    struct msg_ack m = {.epoch = 0, .sent_ns = 0x0102030405060708, .lease_ms = 0};

    return session_put_beat_ack(s, w, &m);
}

static bool put_epoch_end(struct session *s, struct wcur *w)
{
    struct msg_epoch_end m = sample_end(1, 3, 2);

    return session_put_epoch_end(s, w, &m);
}

static bool put_ack(struct session *s, struct wcur *w)
{
    struct msg_ack m = {.epoch = 1, .sent_ns = 1500, .lease_ms = 900};

    return session_put_ack(s, w, &m);
}

static bool put_handover(struct session *s, struct wcur *w)
{
    struct msg_handover m = {.epoch = 1, .reason = WIRE_HANDOVER_PLANNED};

    return session_put_handover(s, w, &m);
}

static bool put_handover_ack(struct session *s, struct wcur *w)
{
    struct msg_handover_ack m = {.epoch = 1, .generation = SAMPLE_GENERATION + 1};

    return session_put_handover_ack(s, w, &m);
}

static bool put_bye(struct session *s, struct wcur *w)
{
    struct msg_bye m =
        sample_bye(s->role == SESSION_PRIMARY ? WIRE_BYE_UNPROTECT : WIRE_BYE_SHUTDOWN);

    return session_put_bye(s, w, &m);
}

static bool put_reject(struct session *s, struct wcur *w)
{
    struct msg_reject m =
        sample_reject(s->role == SESSION_PRIMARY ? WIRE_REJECT_PROTOCOL : WIRE_REJECT_GENERATION);

    return session_put_reject(s, w, &m);
}

/** One session in which every type occurs, in an order that is legal. */
static const struct step {
    const char *name;
    enum wire_type type;
    enum session_role from;
    bool (*put)(struct session *s, struct wcur *w);
} script[] = {
    {"hello", WIRE_HELLO, SESSION_PRIMARY, put_hello},
    {"welcome", WIRE_WELCOME, SESSION_BACKUP, put_welcome},
    {"epoch_begin", WIRE_EPOCH_BEGIN, SESSION_PRIMARY, put_epoch_begin},
    {"pages", WIRE_PAGES, SESSION_PRIMARY, put_pages},
    {"state", WIRE_STATE, SESSION_PRIMARY, put_state},
    {"frames", WIRE_FRAMES, SESSION_PRIMARY, put_frames},
    {"frames_in", WIRE_FRAMES_IN, SESSION_BACKUP, put_frames_in},
    {"addrs", WIRE_ADDRS, SESSION_PRIMARY, put_addrs},
    {"beat", WIRE_BEAT, SESSION_PRIMARY, put_beat},
    {"beat_ack", WIRE_BEAT_ACK, SESSION_BACKUP, put_beat_ack},
    {"epoch_end", WIRE_EPOCH_END, SESSION_PRIMARY, put_epoch_end},
    {"ack", WIRE_ACK, SESSION_BACKUP, put_ack},
    {"handover", WIRE_HANDOVER, SESSION_PRIMARY, put_handover},
    {"handover_ack", WIRE_HANDOVER_ACK, SESSION_BACKUP, put_handover_ack},
    {"bye_primary", WIRE_BYE, SESSION_PRIMARY, put_bye},
    {"bye_backup", WIRE_BYE, SESSION_BACKUP, put_bye},
    {"bye_ack_primary", WIRE_BYE_ACK, SESSION_PRIMARY, session_put_bye_ack},
    {"bye_ack_backup", WIRE_BYE_ACK, SESSION_BACKUP, session_put_bye_ack},
    {"reject_primary", WIRE_REJECT, SESSION_PRIMARY, put_reject},
};
#define STEPS (sizeof(script) / sizeof(script[0]))

static uint8_t want[WIRE_HEADER_LEN + WIRE_PAYLOAD_MAX];

static size_t load(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), GOLDEN_DIR "%s.bin", name);
    size_t n = golden_read(path, want, sizeof(want));
    if (n < WIRE_HEADER_LEN)
        fail_msg("%s is missing", path);
    return n;
}

/** The golden file, and a seed for tests/fuzz/fuzz_record.c: the type's octet and the payload. */
static void store(const char *name, uint8_t *record, size_t n)
{
    char path[128];

    snprintf(path, sizeof(path), GOLDEN_DIR "%s.bin", name);
    assert_true(golden_write(path, record, n));
    snprintf(path, sizeof(path), "tests/fuzz/corpus/record/%s", name);
    uint8_t seed = record[4];
    uint8_t last = record[WIRE_HEADER_LEN - 1];
    record[WIRE_HEADER_LEN - 1] = seed;
    assert_true(golden_write(path, record + WIRE_HEADER_LEN - 1, n - WIRE_HEADER_LEN + 1));
    record[WIRE_HEADER_LEN - 1] = last;
}

static void check(const char *name, struct pair *p)
{
    if (golden_update())
        store(name, p->out, pair_taken(p));
    assert_int_equal(load(name), pair_taken(p));
    assert_memory_equal(want, p->out, pair_taken(p));
}

static void every_record_is_put_as_these_octets(void **state)
{
    (void)state;
    struct pair p;

    pair_init(&p);
    for (size_t i = 0; i < STEPS; i++) {
        bool forth = script[i].from == SESSION_PRIMARY;
        assert_true(script[i].put(forth ? &p.primary : &p.backup, pair_room(&p)));
        check(script[i].name, &p);
        assert_int_equal(pair_carry(&p, forth ? &p.backup : &p.primary), 1);
    }
    pair_free(&p);
}

/** A backup that has understood no HELLO. */
static void reject_without_a_session(void **state)
{
    (void)state;
    struct pair p;

    pair_init(&p);
    assert_true(put_hello(&p.primary, pair_room(&p)));
    assert_true(put_reject(&p.backup, pair_room(&p)));
    check("reject_backup", &p);
    assert_int_equal(load("reject_backup"), pair_taken(&p));
    assert_int_equal(pair_recv(&p, &p.primary, want, pair_taken(&p)), 1);
    assert_int_equal(p.ev.u.reject.code, WIRE_REJECT_GENERATION);
    assert_true(p.ev.generation == 0 && p.ev.u.reject.generation == SAMPLE_GENERATION + 1);
    pair_free(&p);
}

static void every_record_is_read_from_these_octets(void **state)
{
    (void)state;
    struct pair p;

    pair_init(&p);
    for (size_t i = 0; i < STEPS; i++) {
        bool forth = script[i].from == SESSION_PRIMARY;
        size_t n = load(script[i].name);
        assert_true(script[i].put(forth ? &p.primary : &p.backup, pair_room(&p)));
        assert_int_equal(pair_recv(&p, forth ? &p.backup : &p.primary, want, n), 1);
        assert_int_equal(p.ev.type, script[i].type);
        assert_true(p.ev.generation == 0x1122334455667788);
        expect(&p.ev);
    }
    pair_free(&p);
}

/** docs/protocol.md, "Record", octet by octet. */
static void a_record_written_by_hand(void **state)
{
    (void)state;
    static const uint8_t beat[] = {
        'R',  'M',  'S',  '1',                          /* magic */
        8,    0,                                        /* type BEAT */
        0,    0,                                        /* flags */
        8,    0,    0,    0,                            /* length */
        0,    0,    0,    0,                            /* CRC: below */
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, /* generation */
        6,    0,    0,    0,    0,    0,    0,    0,    /* sequence */
        8,    7,    6,    5,    4,    3,    2,    1,    /* sent_ns */
    };
    uint8_t record[sizeof(beat)];

    assert_int_equal(load("beat"), sizeof(beat));
    memcpy(record, want, sizeof(record));
    memset(record + 12, 0, 4);
    assert_memory_equal(record, beat, sizeof(beat));
    uint32_t crc = wire_crc32c(0, beat, sizeof(beat));
    assert_int_equal(want[12] | want[13] << 8 | want[14] << 16 | (uint32_t)want[15] << 24, crc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_is_put_as_these_octets),
        cmocka_unit_test(reject_without_a_session),
        cmocka_unit_test(every_record_is_read_from_these_octets),
        cmocka_unit_test(a_record_written_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
