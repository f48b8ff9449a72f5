/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/child.h"

#define UUID "00112233-4455-6677-8899-aabbccddeeff"

/* The daemon's end of the channel, read without a library. */
struct rig {
    struct child c;
    int parent, saved; /* saved: what was open as CHAN_CHILD_FD before; -1: nothing */
    unsigned commands, gone;
    char cmd[32];
};

static void on_command(struct chan *chan, json_t *message, int fd, void *arg)
{
    struct rig *r = arg;
    const char *cmd = json_string_value(json_object_get(message, "cmd"));

    assert_ptr_equal(chan, r->c.chan);
    assert_int_equal(fd, -1);
    snprintf(r->cmd, sizeof(r->cmd), "%s", cmd ? cmd : "");
    r->commands++;
}

static void on_parent_gone(struct chan *chan, void *arg)
{
    struct rig *r = arg;

    r->gone++;
    chan_free(chan);
    r->c.chan = NULL;
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    int fd[2];

    assert_non_null(r);
    r->saved = fcntl(CHAN_CHILD_FD, F_DUPFD_CLOEXEC, 10);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
    r->parent = fcntl(fd[0], F_DUPFD_CLOEXEC, 10);
    int own = fcntl(fd[1], F_DUPFD_CLOEXEC, 10);
    close(fd[0]);
    close(fd[1]);
    assert_true(dup2(own, CHAN_CHILD_FD) >= 0);
    close(own);
    assert_int_equal(child_init(&r->c, "primary", UUID, on_command, on_parent_gone, r), 0);
    child_set_name(&r->c, "guest");
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    chan_free(r->c.chan);
    event_base_free(r->c.base);
    log_context(NULL);
    if (r->parent >= 0)
        close(r->parent);
    if (r->saved >= 0) {
        dup2(r->saved, CHAN_CHILD_FD);
        close(r->saved);
    }
    free(r);
    return 0;
}

/* The next message that the daemon gets; NULL: none is there. The caller's to free. */
static json_t *told(struct rig *r)
{
    static char buf[CHAN_MESSAGE_MAX];
    ssize_t n = recv(r->parent, buf, sizeof(buf), MSG_DONTWAIT);

    if (n <= 0)
        return NULL;
    json_t *message = json_loadb(buf, (size_t)n, 0, NULL);
    assert_non_null(message);
    return message;
}

static const char *text_in(const json_t *message, const char *key)
{
    const char *text = json_string_value(json_object_get(message, key));
    return text ? text : "";
}

static void told_nothing(struct rig *r)
{
    assert_null(told(r));
}

/* The next message is event `name` of `level`, its text `text`. */
static void told_event(struct rig *r, const char *name, const char *level, const char *text)
{
    json_t *m = told(r);

    assert_non_null(m);
    assert_string_equal(text_in(m, "type"), "event");
    assert_string_equal(text_in(m, "event"), name);
    assert_string_equal(text_in(m, "level"), level);
    assert_non_null(strstr(text_in(m, "text"), text));
    assert_string_equal(text_in(m, "uuid"), UUID);
    assert_string_equal(text_in(m, "name"), "guest");
    assert_string_equal(text_in(m, "role"), "primary");
    assert_true(json_integer_value(json_object_get(m, "mono_ns")) > 0);
    json_decref(m);
}

static void wrong_uuid_is_refused(void **state)
{
    (void)state;
    struct child c;

    assert_int_equal(child_init(&c, "primary", "guest", NULL, NULL, NULL), -1);
    assert_int_equal(errno, EINVAL);
}

static void events_carry_whose_they_are(void **state)
{
    struct rig *r = *state;

    child_event(&r->c, LOG_LEVEL_INFO, "sync-start", "%d pages", 7);
    told_event(r, "sync-start", "info", "7 pages");
    child_event(&r->c, LOG_LEVEL_WARN, "takeover", "now");
    told_event(r, "takeover", "warn", "now");
    child_event(&r->c, LOG_LEVEL_ERROR, "failed", "%0999d", 1);
    told_event(r, "failed", "error", "000");
}

static void commands_are_answered(void **state)
{
    struct rig *r = *state;
    struct err err = {.text = "no such thing", .hint = "look again"};

    assert_true(send(r->parent, "{\"cmd\":\"protect\",\"id\":3}", 24, 0) > 0);
    event_base_loop(r->c.base, EVLOOP_ONCE);
    assert_int_equal(r->commands, 1);
    assert_string_equal(r->cmd, "protect");

    child_reply_ok(&r->c, 3, json_pack("{s:i}", "answer", 42));
    json_t *m = told(r);
    assert_string_equal(text_in(m, "type"), "reply");
    assert_int_equal(json_integer_value(json_object_get(m, "id")), 3);
    assert_true(json_is_true(json_object_get(m, "ok")));
    assert_int_equal(json_integer_value(json_object_get(m, "answer")), 42);
    json_decref(m);

    child_reply_err(&r->c, 4, "refused", &err);
    m = told(r);
    assert_int_equal(json_integer_value(json_object_get(m, "id")), 4);
    assert_true(json_is_false(json_object_get(m, "ok")));
    assert_string_equal(text_in(m, "code"), "refused");
    assert_string_equal(text_in(m, "error"), "no such thing");
    assert_string_equal(text_in(m, "hint"), "look again");
    json_decref(m);

    child_reply_ok(&r->c, 0, json_object()); /* nobody asked */
    child_reply_err(&r->c, 0, "refused", &err);
    told_nothing(r);
    child_reply_ok(&r->c, 5, NULL);
    m = told(r);
    assert_true(json_is_true(json_object_get(m, "ok")));
    json_decref(m);
}

static void status_is_sent_as_it_is(void **state)
{
    struct rig *r = *state;

    child_status(&r->c, json_pack("{s:i}", "epoch", 9));
    json_t *m = told(r);
    assert_string_equal(text_in(m, "type"), "status");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(m, "status"), "epoch")), 9);
    json_decref(m);
}

/* ---- degraded states ---- */

static json_t *degraded(struct rig *r, size_t count)
{
    json_t *array = child_degraded_json(&r->c);

    assert_int_equal(json_array_size(array), count);
    return array;
}

static void degraded_state_lasts_until_it_is_over(void **state)
{
    struct rig *r = *state;

    json_decref(degraded(r, 0));
    child_degrade(&r->c, "link-lost", "no %s", "route");
    told_event(r, "link-lost", "warn", "no route");
    child_degrade(&r->c, "link-lost", "no route");
    told_nothing(r);
    child_degrade(&r->c, "link-lost", "refused");
    told_event(r, "link-lost", "warn", "refused");
    child_degrade(&r->c, "capture", "too slow");
    told_event(r, "capture", "warn", "too slow");

    json_t *array = degraded(r, 2), *first = json_array_get(array, 0);
    assert_string_equal(text_in(first, "cause"), "link-lost");
    assert_string_equal(text_in(first, "text"), "refused");
    assert_true(json_is_integer(json_object_get(first, "for_ms")));
    json_decref(array);

    child_restore(&r->c, "link-lost");
    told_event(r, "restored", "info", "refused");
    child_restore(&r->c, "link-lost");
    child_restore(&r->c, "never-heard-of");
    told_nothing(r);
    array = degraded(r, 1);
    assert_string_equal(text_in(json_array_get(array, 0), "cause"), "capture");
    json_decref(array);
    child_degrade(&r->c, "link-lost", "again");
    told_event(r, "link-lost", "warn", "again");
}

static void causes_beyond_the_last_do_no_harm(void **state)
{
    struct rig *r = *state;
    static char cause[CHILD_DEGRADED_MAX + 9][4];

    for (size_t i = 0; i < ARRAY_LEN(cause); i++) {
        snprintf(cause[i], sizeof(cause[i]), "%zu", i);
        child_degrade(&r->c, cause[i], "x");
        told_event(r, cause[i], "warn", "x");
    }
    json_decref(degraded(r, CHILD_DEGRADED_MAX));
    for (size_t i = 0; i < ARRAY_LEN(cause); i++)
        child_restore(&r->c, cause[i]);
    json_decref(degraded(r, 0));
}

/* ---- timers ---- */

#define STOP_MS 60 /* what a callback takes before it sets the timer */
#define REST_MS 30

struct alarm {
    struct event *ev;
    struct mono set, rung;
};

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    struct alarm *a = arg;
    (void)fd;
    (void)what;
    a->rung = mono_now();
}

static void on_long_stop(evutil_socket_t fd, short what, void *arg)
{
    struct alarm *a = arg;
    struct timespec stop = {.tv_nsec = STOP_MS * NS_PER_MS};
    struct timeval rest = mono_span_tv(REST_MS * NS_PER_MS);
    (void)fd;
    (void)what;

    nanosleep(&stop, NULL);
    a->set = mono_now();
    event_add(a->ev, &rest);
}

/* The stop of a guest takes long, and the guest is to run for a while after it: the timer counts
 * from when it was set, not from when the callback began. */
static void timer_counts_from_when_it_is_set(void **state)
{
    struct rig *r = *state;
    struct alarm a = {.ev = event_new(r->c.base, -1, 0, on_alarm, &a)};

    assert_non_null(a.ev);
    event_base_once(r->c.base, -1, EV_TIMEOUT, on_long_stop, &a, NULL);
    while (a.rung.ns == 0)
        event_base_loop(r->c.base, EVLOOP_ONCE);
    assert_true(mono_sub(a.rung, a.set) >= REST_MS * NS_PER_MS);
    event_free(a.ev);
}

/* ---- texts that are no UTF-8: cut in the middle of a character, or a guest's own name ---- */

static void text_that_is_no_utf8_is_told_all_the_same(void **state)
{
    struct rig *r = *state;
    char wide[ERR_TEXT_MAX * 2];
    struct err err;

    for (size_t skip = 0; skip < 2; skip++) { /* one of the two is cut within a character */
        memset(wide, 'x', sizeof(wide));
        for (size_t i = skip; i + 2 < sizeof(wide); i += 2)
            memcpy(wide + i, "\xc3\xa9", 2);
        wide[sizeof(wide) - 1] = '\0';

        (void)err_set(&err, wide, "the backup refused: %s", wide);
        child_reply_err(&r->c, 4, "refused", &err);
        json_t *m = told(r);
        assert_non_null(m);
        assert_non_null(strstr(text_in(m, "error"), "the backup refused: "));
        json_decref(m);

        child_degrade(&r->c, "unprotected", "%s", wide);
        told_event(r, "unprotected", "warn", "");
        m = degraded(r, 1);
        json_decref(m);
        child_restore(&r->c, "unprotected");
        told_event(r, "restored", "info", "over");
    }
    child_event(&r->c, LOG_LEVEL_INFO, "odd", "octet \xff alone");
    told_event(r, "odd", "info", "octet");
}

/* ---- the end ---- */

static void child_that_is_done_says_so_and_is_silent(void **state)
{
    struct rig *r = *state;
    char octet;

    child_done(&r->c);
    json_t *m = told(r);
    assert_string_equal(text_in(m, "type"), "done");
    json_decref(m);
    assert_int_equal(recv(r->parent, &octet, 1, 0), 0);
    child_done(&r->c);
    child_event(&r->c, LOG_LEVEL_INFO, "late", "x");
    child_status(&r->c, json_object());
    child_reply_ok(&r->c, 1, json_object());
    child_degrade(&r->c, "late", "x");
    child_restore(&r->c, "late");
}

static void end_of_the_parent_is_noticed(void **state)
{
    struct rig *r = *state;

    close(r->parent);
    r->parent = -1;
    child_event(&r->c, LOG_LEVEL_INFO, "nobody-hears", "x");
    event_base_loop(r->c.base, EVLOOP_ONCE);
    assert_int_equal(r->gone, 1);
    child_event(&r->c, LOG_LEVEL_INFO, "nobody-hears", "x");
}

/* A daemon that hangs must not make the VM's loop hang. */
static void parent_that_does_not_read_stops_nothing(void **state)
{
    struct rig *r = *state;
    unsigned got = 0;

    for (unsigned i = 0; i < 2000; i++)
        child_status(&r->c, json_pack("{s:i, s:s}", "n", (int)i, "pad", "0123456789012345678901"));
    for (json_t *m; (m = told(r)) != NULL; got++)
        json_decref(m);
    assert_in_range(got, 1, 1999);
    child_event(&r->c, LOG_LEVEL_INFO, "again", "heard");
    told_event(r, "again", "info", "heard");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_uuid_is_refused),
        TEST(events_carry_whose_they_are),
        TEST(commands_are_answered),
        TEST(status_is_sent_as_it_is),
        TEST(degraded_state_lasts_until_it_is_over),
        TEST(causes_beyond_the_last_do_no_harm),
        TEST(timer_counts_from_when_it_is_set),
        TEST(text_that_is_no_utf8_is_told_all_the_same),
        TEST(child_that_is_done_says_so_and_is_silent),
        TEST(end_of_the_parent_is_noticed),
        TEST(parent_that_does_not_read_stops_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
