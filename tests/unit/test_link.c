/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/link_util.h"

#include <fcntl.h>

#include "engine/link/link_pace.h"

#define HALF_MB 524288u

static void shrink(struct joint *j)
{
    int least = 1;

    assert_int_equal(setsockopt(j->a.fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
    assert_int_equal(setsockopt(j->b.fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)), 0);
}

/* Whatever waits at the other end, which has no link; how much. */
static size_t drain(int fd, size_t most)
{
    static uint8_t buf[65536];
    size_t got = 0;

    while (got < most) {
        ssize_t n =
            recv(fd, buf, most - got < sizeof(buf) ? most - got : sizeof(buf), MSG_DONTWAIT);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

/* ---- outgoing ---- */

static void records_pass_through_the_tiniest_buffers(void **state)
{
    (void)state;
    for (int tcp = 0; tcp < 2; tcp++) {
        struct joint j;

        joint_open(&j, tcp);
        if (!tcp) /* whose smallest window makes for long pauses */
            shrink(&j);
        joint_links(&j, HALF_MB);
        joint_greet(&j);
        for (unsigned i = 1; i <= 3; i++) {
            put_epoch(&j.a, 16, i == 2 ? WIRE_STATE_CHUNK : 9);
            if (i == 2)
                link_flush(j.a.link);
        }
        joint_until(&j, &j.b.records[WIRE_EPOCH_END], 3);
        assert_int_equal(j.b.records[WIRE_PAGES], 3);
        assert_int_equal(j.b.records[WIRE_STATE], 3);
        assert_int_equal(link_queued(j.a.link), 0);
        assert_int_equal(link_bytes_sent(j.a.link), link_bytes_received(j.b.link));
        assert_int_equal(link_bytes_sent(j.b.link), link_bytes_received(j.a.link));
        assert_int_equal(j.a.ends + j.b.ends, 0);
        joint_close(&j);
    }
}

/* An open session at `a`; from here on nobody reads at the other end but the test. */
static void open_without_reader(struct joint *j, size_t limit)
{
    joint_open(j, false);
    shrink(j);
    joint_links(j, limit);
    joint_greet(j);
    struct msg_epoch_begin begin = sample_begin(1, WIRE_EPOCH_FULL);
    END_PUT(&j->a, session_put_epoch_begin, &begin);
    joint_until(j, &j->b.records[WIRE_EPOCH_BEGIN], 1);
    j->b.fd = dup(j->b.fd);
    end_free(&j->b, false);
    assert_true(j->b.fd >= 0);
}

static void full_link_asks_for_more_when_half_is_gone(void **state)
{
    (void)state;
    const size_t limit = 65536;
    struct joint j;

    open_without_reader(&j, limit);
    for (unsigned round = 1; round <= 3; round++) {
        while (!link_full(j.a.link))
            put_pages(&j.a, 3, 1);
        joint_turn(&j, 50);
        assert_int_equal(j.a.rooms, round - 1);
        while (j.a.rooms < round) {
            assert_true(link_queued(j.a.link) > link_budget(j.a.link) / 2);
            assert_true(drain(j.b.fd, 512) > 0);
            joint_turn(&j, 3);
        }
        assert_true(j.a.queued_at_room <= limit / 2); /* a slow link asks for less than that */
        assert_false(link_full(j.a.link));
        drain(j.b.fd, SIZE_MAX);
        joint_turn(&j, 3);
        assert_int_equal(j.a.rooms, round);
    }
    close(j.b.fd);
    joint_close(&j);
}

static void link_that_was_never_full_asks_for_nothing(void **state)
{
    (void)state;
    struct joint j;

    open_without_reader(&j, 10 * HALF_MB);
    put_pages(&j.a, 3, 1);
    while (link_queued(j.a.link) > 0) {
        joint_turn(&j, 1);
        assert_true(drain(j.b.fd, SIZE_MAX) > 0 || link_queued(j.a.link) == 0);
    }
    joint_turn(&j, 5);
    assert_int_equal(j.a.rooms, 0);
    close(j.b.fd);
    joint_close(&j);
}

/* Full because the link turned out to be slow, not because more was put: room is told all the same.
 */
static void link_found_full_later_asks_for_more_too(void **state)
{
    (void)state;
    struct joint j;

    open_without_reader(&j, 10 * HALF_MB);
    put_pages(&j.a, 30, 1);
    assert_false(link_full(j.a.link));
    joint_turn(&j, 1);
    for (unsigned i = 0; i < 100 && !link_full(j.a.link); i++) {
        usleep(LINK_PACE_NS / NS_PER_US / 10);
        assert_true(drain(j.b.fd, 512) > 0);
        joint_turn(&j, 1);
    }
    assert_true(link_full(j.a.link));
    assert_int_equal(j.a.rooms, 0);
    while (link_queued(j.a.link) > 0) {
        drain(j.b.fd, SIZE_MAX);
        joint_turn(&j, 1);
    }
    joint_turn(&j, 3);
    assert_int_equal(j.a.rooms, 1);
    close(j.b.fd);
    joint_close(&j);
}

/* What empties the queue here is link_flush, inside which nothing may be called back. */
static void room_made_by_a_flush_is_told_by_the_loop(void **state)
{
    (void)state;
    struct joint j;

    joint_open(&j, false);
    joint_links(&j, LINK_PACE_MIN);
    joint_greet(&j);
    put_epoch(&j.a, 8, 9);
    assert_true(link_full(j.a.link));
    link_flush(j.a.link);
    assert_int_equal(link_queued(j.a.link), 0);
    assert_int_equal(j.a.rooms, 0);
    joint_until(&j, &j.a.rooms, 1);
    joint_until(&j, &j.b.records[WIRE_EPOCH_END], 1);
    joint_turn(&j, 5);
    assert_int_equal(j.a.rooms, 1);
    joint_close(&j);
}

static void room_that_was_not_used_sends_nothing(void **state)
{
    (void)state;
    struct joint j;

    joint_open(&j, false);
    joint_links(&j, LINK_PACE_MIN);
    joint_greet(&j);
    uint64_t before = link_bytes_sent(j.a.link);
    for (unsigned i = 0; i < 10; i++) {
        assert_non_null(link_room(j.a.link, session_record_max()));
        link_commit(j.a.link);
    }
    joint_turn(&j, 5);
    assert_int_equal(link_bytes_sent(j.a.link), before);
    put_epoch(&j.a, 1, 1);
    joint_until(&j, &j.b.records[WIRE_EPOCH_END], 1);
    joint_close(&j);
}

static void recorded_stream_is_what_was_sent(void **state)
{
    (void)state;
    char path[] = "/tmp/remus-test-XXXXXX";
    static uint8_t sent[HALF_MB], kept[HALF_MB];
    struct msg_hello hello = sample_hello();
    struct joint j;
    size_t got = 0;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    joint_open(&j, false);
    shrink(&j);
    end_link(&j, &j.a, SESSION_PRIMARY, HALF_MB);
    assert_int_equal(link_record(j.a.link, path), 0);
    END_PUT(&j.a, session_put_hello, &hello);
    link_session(j.a.link)->phase = link_session(j.a.link)->state = SESSION_OPEN;
    put_epoch(&j.a, 9, 5000);
    put_epoch(&j.a, 3, 1);
    size_t all = link_queued(j.a.link);
    while (got < all) {
        joint_turn(&j, 1);
        ssize_t n = recv(j.b.fd, sent + got, sizeof(sent) - got, MSG_DONTWAIT);
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_int_equal(read(fd, kept, sizeof(kept)), all);
    assert_memory_equal(kept, sent, all);
    close(fd);
    unlink(path);
    close(j.b.fd);
    joint_close(&j);
}

static void stream_that_cannot_be_recorded_is_sent_all_the_same(void **state)
{
    (void)state;
    struct joint j;

    joint_open(&j, false);
    joint_links(&j, HALF_MB);
    assert_int_equal(link_record(j.a.link, "/nowhere/stream"), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(link_record(j.a.link, "/dev/full"), 0);
    joint_greet(&j);
    put_epoch(&j.a, 1, 1);
    joint_until(&j, &j.b.records[WIRE_EPOCH_END], 1);
    joint_close(&j);
}

/* ---- incoming ---- */

/* A primary's octets, made without a link. */
static size_t make_stream(uint8_t *buf, size_t cap, unsigned epochs)
{
    struct pair p;
    size_t n = 0;

    assert_true(pair_open(&p, WIRE_FEATURES_ALL));
    session_init(&p.primary, SESSION_PRIMARY, SAMPLE_GENERATION);
    struct wcur w = {.p = buf, .end = buf + cap};
    struct msg_hello hello = sample_hello();
    assert_true(session_put_hello(&p.primary, &w, &hello));
    p.primary.phase = p.primary.state = SESSION_OPEN;
    for (unsigned i = 0; i < epochs; i++) {
        static const uint8_t octets[] = "registers";
        struct msg_epoch_begin begin = sample_begin(i + 1, i == 0 ? WIRE_EPOCH_FULL : 0);
        struct msg_state m = {
            .epoch = i + 1, .total_len = sizeof(octets), .len = sizeof(octets), .data = octets};
        struct msg_epoch_end end = sample_end(i + 1, 0, 0);
        assert_true(session_put_epoch_begin(&p.primary, &w, &begin));
        assert_true(session_put_state(&p.primary, &w, &m));
        assert_true(session_put_epoch_end(&p.primary, &w, &end));
    }
    n = (size_t)(w.p - buf);
    pair_free(&p);
    return n;
}

/* A backup's link that has answered HELLO, and the stream that `a`, without link, is to send. */
static size_t listen_to(struct joint *j, uint8_t *buf, size_t cap, unsigned epochs)
{
    struct msg_welcome welcome = sample_welcome(WIRE_FEATURES_ALL);
    size_t n = make_stream(buf, cap, epochs), hello = make_stream(buf, cap, 0);

    assert_int_equal(make_stream(buf, cap, epochs), n);
    end_link(j, &j->b, SESSION_BACKUP, HALF_MB);
    assert_int_equal(send(j->a.fd, buf, hello, 0), hello);
    joint_until(j, &j->b.records[WIRE_HELLO], 1);
    END_PUT(&j->b, session_put_welcome, &welcome);
    joint_turn(j, 3);
    memmove(buf, buf + hello, n - hello);
    return n - hello;
}

static void one_octet_at_a_time_is_enough(void **state)
{
    (void)state;
    static uint8_t buf[65536];
    struct joint j;
    unsigned seen = 1;

    joint_open(&j, false);
    size_t n = listen_to(&j, buf, sizeof(buf), 6);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(send(j.a.fd, buf + i, 1, 0), 1);
        joint_turn(&j, 1);
        assert_true(j.b.total <= seen + 1);
        seen = j.b.total;
    }
    assert_int_equal(j.b.records[WIRE_EPOCH_END], 6);
    assert_int_equal(j.b.total, 1 + 6 * 3);
    assert_int_equal(j.b.ends, 0);
    close(j.a.fd);
    joint_close(&j);
}

static void input_that_waits_is_noticed(void **state)
{
    (void)state;
    static uint8_t buf[4096];
    struct joint j;

    joint_open(&j, false);
    size_t n = listen_to(&j, buf, sizeof(buf), 1);
    assert_false(link_has_input(j.b.link));
    assert_int_equal(send(j.a.fd, buf, n, 0), n);
    assert_true(link_has_input(j.b.link));
    joint_until(&j, &j.b.records[WIRE_EPOCH_END], 1);
    assert_false(link_has_input(j.b.link));
    close(j.a.fd);
    joint_until(&j, &j.b.ends, 1);
    assert_false(link_has_input(j.b.link));
    joint_close(&j);
}

static void peer_has_a_name(void **state)
{
    (void)state;
    struct joint j;
    struct sockaddr_in sin;
    socklen_t len = sizeof(sin);
    char want[64];

    joint_open(&j, true);
    joint_links(&j, HALF_MB);
    assert_int_equal(getsockname(j.a.fd, (struct sockaddr *)&sin, &len), 0);
    snprintf(want, sizeof(want), "127.0.0.1:%u", ntohs(sin.sin_port));
    assert_string_equal(link_peer(j.b.link), want);
    joint_close(&j);
}

static void descriptor_of_a_refused_link_stays_the_callers(void **state)
{
    (void)state;
    static const struct link_ops ops = {end_record, end_end, end_room};
    struct event_base *base = event_base_new();
    int fd = open("/dev/null", O_RDONLY); /* epoll refuses it */

    errno = 0;
    assert_null(link_new(base, fd, SESSION_PRIMARY, 1, 1, &ops, NULL));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(close(fd), 0);
    link_free(NULL, true);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_pass_through_the_tiniest_buffers),
        cmocka_unit_test(full_link_asks_for_more_when_half_is_gone),
        cmocka_unit_test(link_that_was_never_full_asks_for_nothing),
        cmocka_unit_test(link_found_full_later_asks_for_more_too),
        cmocka_unit_test(room_made_by_a_flush_is_told_by_the_loop),
        cmocka_unit_test(room_that_was_not_used_sends_nothing),
        cmocka_unit_test(recorded_stream_is_what_was_sent),
        cmocka_unit_test(stream_that_cannot_be_recorded_is_sent_all_the_same),
        cmocka_unit_test(one_octet_at_a_time_is_enough),
        cmocka_unit_test(input_that_waits_is_noticed),
        cmocka_unit_test(peer_has_a_name),
        cmocka_unit_test(descriptor_of_a_refused_link_stays_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
