/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_LINK_UTIL_H
#define REMUS_TESTS_LINK_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/link/link.h"
#include "tests/unit/proto_samples.h"

/** Two links on one event loop, joined by a socket; either end may be left to the test as it is. */

enum frees { FREES_NEVER, FREES_IN_RECORD, FREES_IN_END, FREES_IN_ROOM };

struct end {
    struct link *link; /* NULL: none, or freed */
    int fd;
    unsigned records[256]; /* by type */
    unsigned total, ends, rooms;
    enum link_end why;
    char text[256];      /* of the end */
    char last_word[256]; /* of REJECT or BYE */
    uint16_t code;       /* of REJECT */
    size_t queued_at_room;
    enum frees frees; /* from which callback the link is freed */
    bool flush;
};

struct joint {
    struct event_base *base;
    struct end a, b; /* primary, backup */
};

static inline void end_free(struct end *e, bool flush)
{
    struct link *link = e->link;
    e->link = NULL;
    link_free(link, flush);
}

static inline void end_record(struct link *link, const struct session_event *ev, void *arg)
{
    struct end *e = arg;

    assert_ptr_equal(link, e->link); /* nothing is called after link_free */
    e->records[ev->type]++;
    e->total++;
    if (ev->type == WIRE_REJECT) {
        e->code = ev->u.reject.code;
        snprintf(e->last_word, sizeof(e->last_word), "%s", ev->u.reject.text);
    } else if (ev->type == WIRE_BYE) {
        snprintf(e->last_word, sizeof(e->last_word), "%s", ev->u.bye.text);
    }
    if (e->frees == FREES_IN_RECORD)
        end_free(e, e->flush);
}

static inline void end_end(struct link *link, enum link_end why, const char *text, void *arg)
{
    struct end *e = arg;

    assert_ptr_equal(link, e->link);
    e->ends++;
    e->why = why;
    snprintf(e->text, sizeof(e->text), "%s", text);
    if (e->frees == FREES_IN_END)
        end_free(e, e->flush);
}

static inline void end_room(struct link *link, void *arg)
{
    struct end *e = arg;

    assert_ptr_equal(link, e->link);
    e->rooms++;
    e->queued_at_room = link_queued(link);
    if (e->frees == FREES_IN_ROOM)
        end_free(e, e->flush);
}

static inline void end_link(struct joint *j, struct end *e, enum session_role role, size_t limit)
{
    static const struct link_ops ops = {end_record, end_end, end_room};
    uint64_t generation = role == SESSION_PRIMARY ? SAMPLE_GENERATION : 0;

    e->link = link_new(j->base, e->fd, role, generation, limit, &ops, e);
    assert_non_null(e->link);
}

/** A connected pair; no links yet. `tcp`: over the loopback interface. */
static inline void joint_open(struct joint *j, bool tcp)
{
    int fd[2];

    memset(j, 0, sizeof(*j));
    signal(SIGPIPE, SIG_IGN);
    j->base = event_base_new();
    assert_non_null(j->base);
    if (!tcp) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    } else {
        struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t len = sizeof(sin);
        int at = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(at, (struct sockaddr *)&sin, sizeof(sin)), 0);
        assert_int_equal(listen(at, 1), 0);
        assert_int_equal(getsockname(at, (struct sockaddr *)&sin, &len), 0);
        fd[0] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd[0], (struct sockaddr *)&sin, sizeof(sin)), 0);
        fd[1] = accept(at, NULL, NULL);
        assert_true(fd[1] >= 0);
        close(at);
    }
    j->a.fd = fd[0];
    j->b.fd = fd[1];
}

static inline void joint_links(struct joint *j, size_t limit)
{
    end_link(j, &j->a, SESSION_PRIMARY, limit);
    end_link(j, &j->b, SESSION_BACKUP, limit);
}

static inline void joint_close(struct joint *j)
{
    end_free(&j->a, false);
    end_free(&j->b, false);
    event_base_free(j->base);
}

/** As many turns of the loop as there is something to do. */
static inline void joint_turn(struct joint *j, unsigned turns)
{
    for (unsigned i = 0; i < turns; i++)
        event_base_loop(j->base, EVLOOP_NONBLOCK);
}

/** Turns the loop until *count is `want`; a loopback TCP connection may take a moment. */
static inline void joint_until(struct joint *j, const unsigned *count, unsigned want)
{
    for (unsigned i = 0; *count < want && i < 20000; i++) {
        event_base_loop(j->base, EVLOOP_NONBLOCK);
        if (i > 1000)
            usleep(100);
    }
    assert_int_equal(*count, want);
}

/** Puts one record without fields to set up. */
#define END_PUT(e, put, msg)                                                                       \
    do {                                                                                           \
        struct wcur *w_ = link_room((e)->link, session_record_max());                              \
        assert_non_null(w_);                                                                       \
        assert_true(put(link_session((e)->link), w_, (msg)));                                      \
        link_commit((e)->link);                                                                    \
    } while (0)

/** HELLO and WELCOME, which a test may have arrive or not. */
static inline void joint_greet(struct joint *j)
{
    struct msg_hello hello = sample_hello();
    struct msg_welcome welcome = sample_welcome(WIRE_FEATURES_ALL);

    END_PUT(&j->a, session_put_hello, &hello);
    joint_until(j, &j->b.records[WIRE_HELLO], 1);
    END_PUT(&j->b, session_put_welcome, &welcome);
    joint_until(j, &j->a.records[WIRE_WELCOME], 1);
}

/** One record of `count` pages that do not shrink. */
static inline void put_pages(struct end *e, unsigned count, uint32_t seed)
{
    static uint8_t page[WIRE_PAGE_SIZE];
    struct pages_writer pw;
    struct wcur *w = link_room(e->link, session_record_max());

    assert_non_null(w);
    assert_true(session_pages_begin(link_session(e->link), &pw, w, (uint16_t)count));
    for (unsigned i = 0; i < count; i++) {
        sample_noise(page, sizeof(page), seed + i);
        assert_int_equal(session_pages_add(&pw, i, page, NULL), WIRE_PAGE_RAW);
    }
    assert_true(session_pages_end(&pw, w) > 0);
    link_commit(e->link);
}

/** A whole epoch with pages and the largest STATE record there can be. */
static inline void put_epoch(struct end *e, unsigned pages, size_t state_len)
{
    struct session *s = link_session(e->link);
    struct msg_epoch_begin begin = sample_begin(s->epoch + 1, WIRE_EPOCH_FULL);
    uint8_t *octets = malloc(state_len);

    assert_non_null(octets);
    END_PUT(e, session_put_epoch_begin, &begin);
    put_pages(e, pages, (uint32_t)s->epoch);
    sample_noise(octets, state_len, 5);
    struct msg_state state = {.epoch = s->epoch,
                              .total_len = (uint32_t)state_len,
                              .len = (uint32_t)state_len,
                              .data = octets};
    END_PUT(e, session_put_state, &state);
    free(octets);
    struct msg_epoch_end m = sample_end(s->epoch, s->pages, s->frames);
    END_PUT(e, session_put_epoch_end, &m);
}

#endif
