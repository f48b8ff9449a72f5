/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/link_util.h"

#include "engine/base/fault.h"

#define LIMIT 65536u

/* How a link ends, and what may be done with it from inside its callbacks. */

static void arm(const char *fault)
{
    assert_int_equal(setenv("REMUS_FAULT", fault, 1), 0);
    assert_int_equal(fault_init(), 0);
}

static void open_session(struct joint *j, bool tcp)
{
    joint_open(j, tcp);
    joint_links(j, LIMIT);
    joint_greet(j);
}

static void put_bye(struct end *e)
{
    struct msg_bye m = sample_bye(WIRE_BYE_SHUTDOWN);
    END_PUT(e, session_put_bye, &m);
}

static void put_reject(struct end *e)
{
    struct msg_reject m = sample_reject(WIRE_REJECT_FENCED);
    END_PUT(e, session_put_reject, &m);
}

static void end_of_the_stream_is_told_once(void **state)
{
    (void)state;
    struct joint j;

    open_session(&j, false);
    put_epoch(&j.a, 3, 100);
    joint_turn(&j, 1);
    end_free(&j.a, false);
    joint_until(&j, &j.b.ends, 1);
    assert_int_equal(j.b.why, LINK_EOF);
    assert_int_equal(j.b.records[WIRE_EPOCH_END], 1);
    /* It stays until it is freed: what is put now goes nowhere, and nothing is called. */
    put_bye(&j.b);
    link_flush(j.b.link);
    assert_false(link_has_input(j.b.link));
    joint_turn(&j, 10);
    assert_int_equal(j.b.ends, 1);
    joint_close(&j);
}

static void end_within_a_record_is_an_end(void **state)
{
    (void)state;
    struct joint j;
    static const uint8_t half[WIRE_HEADER_LEN / 2] = {'R', 'M', 'S', '1', WIRE_HELLO};

    joint_open(&j, false);
    end_link(&j, &j.b, SESSION_BACKUP, LIMIT);
    assert_int_equal(send(j.a.fd, half, sizeof(half), 0), sizeof(half));
    joint_turn(&j, 3);
    assert_int_equal(j.b.ends, 0);
    close(j.a.fd);
    joint_until(&j, &j.b.ends, 1);
    assert_int_equal(j.b.why, LINK_EOF);
    assert_int_equal(j.b.total, 0);
    joint_close(&j);
}

static void failed_socket_is_an_error(void **state)
{
    (void)state;
    struct linger now = {.l_onoff = 1};
    struct joint j;

    open_session(&j, true);
    assert_int_equal(setsockopt(j.a.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    end_free(&j.a, false);
    joint_until(&j, &j.b.ends, 1);
    assert_int_equal(j.b.why, LINK_ERROR);
    assert_non_null(strstr(j.b.text, strerror(ECONNRESET)));
    joint_close(&j);
}

/* link_flush is called from within the caller's own work: it must not end the link under it. */
static void write_error_is_told_by_the_loop(void **state)
{
    (void)state;
    for (int flush = 0; flush < 2; flush++) {
        struct joint j;

        open_session(&j, false);
        arm("primary_link_write:1:fail");
        put_epoch(&j.a, 3, 100);
        if (flush)
            link_flush(j.a.link);
        assert_int_equal(j.a.ends, 0);
        joint_until(&j, &j.a.ends, 1);
        arm("");
        assert_int_equal(j.a.why, LINK_ERROR);
        assert_non_null(strstr(j.a.text, strerror(EPIPE)));
        joint_turn(&j, 5);
        assert_int_equal(j.a.ends, 1);
        joint_close(&j);
    }
}

/* ---- offences ---- */

struct offence {
    const char *what;
    size_t at; /* octet of the second record to be changed */
    uint8_t to;
    uint16_t code;
};

static const struct offence offences[] = {
    {"magic", 0, 'X', WIRE_REJECT_PROTOCOL},
    {"type", 4, WIRE_HELLO, WIRE_REJECT_PROTOCOL},
    {"flags", 6, 1, WIRE_REJECT_PROTOCOL},
    {"length", 11, 0xff, WIRE_REJECT_PROTOCOL},
    {"checksum", 12, 0, WIRE_REJECT_PROTOCOL},
    {"generation", 16, 0, WIRE_REJECT_PROTOCOL},
    {"sequence number", 24, 9, WIRE_REJECT_PROTOCOL},
};

/* A beat that is changed in one octet, then a good one. */
static void send_offence(struct joint *j, const struct offence *o)
{
    struct session *s = link_session(j->a.link);
    struct msg_beat beat = {.sent_ns = 1};
    uint8_t buf[512];
    struct wcur w = {.p = buf, .end = buf + sizeof(buf)};

    assert_true(session_put_beat(s, &w, &beat));
    uint8_t *second = w.p;
    assert_true(session_put_beat(s, &w, &beat));
    assert_true(session_put_beat(s, &w, &beat));
    assert_int_not_equal(second[o->at], o->to);
    second[o->at] = o->to;
    assert_int_equal(send(j->a.fd, buf, (size_t)(w.p - buf), 0), w.p - buf);
}

static void offence_is_answered_with_reject(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(offences); i++) {
        struct joint j;

        open_session(&j, false);
        send_offence(&j, &offences[i]);
        joint_until(&j, &j.b.ends, 1);
        assert_int_equal(j.b.why, LINK_PROTOCOL);
        assert_int_equal(strncmp(j.b.text, "protocol error: ", 16), 0);
        assert_int_equal(j.b.records[WIRE_BEAT], 1); /* before it: taken; after it: not */
        joint_until(&j, &j.a.records[WIRE_REJECT], 1);
        assert_int_equal(j.a.code, offences[i].code);
        assert_string_equal(j.a.last_word, j.b.text + 16);
        joint_turn(&j, 5);
        assert_int_equal(j.b.ends, 1);
        joint_close(&j);
    }
}

/* ---- the last word ---- */

/* `b` says it and leaves although it has not read what `a` sent. */
static void last_word(bool tcp, void (*say)(struct end *), enum wire_type type, const char *text)
{
    struct joint j;

    open_session(&j, tcp);
    put_epoch(&j.a, 128, 200000);
    link_flush(j.a.link);
    say(&j.b);
    end_free(&j.b, true);
    joint_until(&j, &j.a.records[type], 1);
    assert_string_equal(j.a.last_word, text);
    joint_until(&j, &j.a.ends, 1);
    joint_close(&j);
}

static void last_word_arrives_although_input_was_left_unread(void **state)
{
    (void)state;
    for (int tcp = 0; tcp < 2; tcp++) {
        last_word(tcp, put_reject, WIRE_REJECT, "no");
        last_word(tcp, put_bye, WIRE_BYE, "until later");
    }
}

/* Input that nobody reads any more must not make the kernel throw away what it has yet to send. */
static void last_word_arrives_behind_what_the_kernel_still_holds(void **state)
{
    (void)state;
    static const uint8_t frame[WIRE_FRAME_MAX];
    struct joint j;
    struct frames_writer fw;
    int small = 32768, large = 1 << 20;

    open_session(&j, true);
    assert_int_equal(setsockopt(j.a.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    assert_int_equal(setsockopt(j.b.fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large)), 0);
    put_epoch(&j.a, 3, 100);
    link_flush(j.a.link); /* and `b` does not read it */
    struct wcur *w = link_room(j.b.link, session_record_max());
    assert_true(session_frames_begin(link_session(j.b.link), &fw, w, WIRE_FRAMES_IN));
    for (unsigned i = 0; i < 5; i++)
        assert_true(session_frames_add(&fw, frame, 50000));
    assert_true(session_frames_end(&fw, w) > 0);
    link_commit(j.b.link);
    put_reject(&j.b);
    end_free(&j.b, true);
    joint_until(&j, &j.a.records[WIRE_REJECT], 1);
    joint_close(&j);
}

/* The peer is gone for writing, but why stands in the socket: it is read before the end is told. */
static void last_word_is_read_before_a_write_fails(void **state)
{
    (void)state;
    for (int tcp = 0; tcp < 2; tcp++) {
        struct joint j;

        open_session(&j, tcp);
        put_reject(&j.b);
        end_free(&j.b, true);
        put_epoch(&j.a, 128, 10);
        joint_until(&j, &j.a.ends, 1);
        assert_int_equal(j.a.records[WIRE_REJECT], 1);
        joint_close(&j);
    }
}

static void queued_records_leave_with_a_flush_only(void **state)
{
    (void)state;
    for (int flush = 0; flush < 2; flush++) {
        struct joint j;

        open_session(&j, false);
        put_bye(&j.a);
        end_free(&j.a, flush);
        joint_until(&j, &j.b.ends, 1);
        assert_int_equal(j.b.records[WIRE_BYE], flush);
        joint_close(&j);
    }
}

/* ---- link_free from inside the callbacks ---- */

static void free_in_record(struct joint *j)
{
    put_epoch(&j->a, 2, 10); /* several records in one read: only the first is told */
    link_flush(j->a.link);
    j->b.frees = FREES_IN_RECORD;
    joint_until(j, &j->b.records[WIRE_EPOCH_BEGIN], 1);
    joint_turn(j, 5);
    assert_int_equal(j->b.total, 2);
}

static void free_at_eof(struct joint *j)
{
    j->b.frees = FREES_IN_END;
    end_free(&j->a, true);
    joint_until(j, &j->b.ends, 1);
}

static void free_at_offence(struct joint *j)
{
    j->b.frees = FREES_IN_END;
    send_offence(j, &offences[0]);
    joint_until(j, &j->b.ends, 1);
    joint_until(j, &j->a.records[WIRE_REJECT], 1);
}

static void free_at_write_error(struct joint *j)
{
    j->b.frees = FREES_IN_END;
    arm("primary_link_write:1:fail");
    put_bye(&j->b);
    joint_until(j, &j->b.ends, 1);
    arm("");
}

static void free_in_room(struct joint *j)
{
    j->a.frees = FREES_IN_ROOM;
    j->a.flush = j->b.flush;
    put_epoch(&j->a, 40, 10);
    assert_true(link_full(j->a.link));
    joint_until(j, &j->a.rooms, 1);
    assert_null(j->a.link);
    joint_until(j, &j->b.ends, 1);
    end_free(&j->b, true);
}

static void link_may_be_freed_in_every_callback(void **state)
{
    (void)state;
    static void (*const ways[])(struct joint *) = {free_in_record, free_at_eof, free_at_offence,
                                                   free_at_write_error, free_in_room};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        for (int flush = 0; flush < 2; flush++) {
            struct joint j;

            open_session(&j, false);
            j.b.flush = flush;
            ways[i](&j);
            assert_null(j.b.link);
            joint_turn(&j, 5);
            joint_close(&j);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(end_of_the_stream_is_told_once),
        cmocka_unit_test(end_within_a_record_is_an_end),
        cmocka_unit_test(failed_socket_is_an_error),
        cmocka_unit_test(write_error_is_told_by_the_loop),
        cmocka_unit_test(offence_is_answered_with_reject),
        cmocka_unit_test(last_word_arrives_although_input_was_left_unread),
        cmocka_unit_test(last_word_arrives_behind_what_the_kernel_still_holds),
        cmocka_unit_test(last_word_is_read_before_a_write_fails),
        cmocka_unit_test(queued_records_leave_with_a_flush_only),
        cmocka_unit_test(link_may_be_freed_in_every_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
