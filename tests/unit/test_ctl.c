/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>

#include "tests/unit/fixture_ctl.h"

static void answers(void **state)
{
    json_t *request = json_pack("{s:s, s:i}", "cmd", "echo", "n", 4);
    int fd = dial();
    (void)state;

    assert_int_equal(ctl_send(fd, request, &err), 0);
    json_t *reply = get(fd);
    assert_true(json_equal(json_object_get(reply, "request"), request));
    json_decref(reply);
    json_decref(request);
    put(fd, "{\"cmd\":\"refuse\"}\n");
    expect_code(fd, "refused");
    put(fd, "{\"cmd\":\"hold-and-answer\"}\n");
    expect_ok(fd);
    close(fd);
}

static void bad_requests_are_told_and_survived(void **state)
{
    static const char *const bad[] = {
        "\n",
        "x\n",
        "[]\n",
        "{}\n",
        "{\"cmd\":3}\n",
        "{\"cmd\":\"\"}\n",
        "{\"cmd\":\"a\",\"cmd\":\"b\"}\n",
        "{\"cmd\":\"a\\u0000\"}\n",
    };
    int fd = dial();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        put(fd, bad[i]);
        expect_code(fd, "bad-request");
    }
    assert_int_equal(requests, 0);
    put(fd, "{\"cmd\":\"echo\"}\r\n");
    expect_ok(fd);
    close(fd);
}

static void deep_nesting_is_refused(void **state)
{
    char text[40000];
    int fd = dial();
    (void)state;

    memset(text, '[', sizeof(text) - 2);
    strcpy(text + sizeof(text) - 2, "\n");
    put(fd, text);
    expect_code(fd, "bad-request");
    close(fd);
}

static void overlong_line_ends_the_connection(void **state)
{
    char *text = malloc(CTL_LINE_MAX + 2);
    int fd = dial();
    (void)state;

    memset(text, 'x', CTL_LINE_MAX + 1);
    text[CTL_LINE_MAX + 1] = '\0';
    put(fd, text);
    expect_code(fd, "bad-request");
    expect_end(fd);
    close(fd);
    free(text);
}

static void requests_in_pieces_and_in_a_row(void **state)
{
    int fd = dial();
    (void)state;

    for (const char *at = "{\"cmd\":\"echo\"}\n"; *at; at++) {
        assert_int_equal(send(fd, at, 1, 0), 1);
        turn();
    }
    expect_ok(fd);
    put(fd, "{\"cmd\":\"echo\"}\n{\"cmd\":\"echo\"}\n{\"cmd\":\"echo\"}\n");
    expect_ok(fd);
    expect_ok(fd);
    expect_ok(fd);
    assert_int_equal(requests, 4);
    close(fd);
}

static void held_request_is_answered_later(void **state)
{
    int fd = dial();
    (void)state;

    put(fd, "{\"cmd\":\"hold\"}\n{\"cmd\":\"echo\"}\n");
    turn();
    assert_non_null(held);
    assert_int_equal(requests, 1); /* the next one waits */
    ctl_reply_ok(held);
    expect_ok(fd);
    expect_ok(fd);
    assert_int_equal(requests, 2);
    close(fd);
}

/* More than the server takes in while a request is at work: it must neither spin nor lose any. */
static void a_full_input_waits(void **state)
{
    char *text = malloc(200 * 1024 + 1), *at = text;
    int fd = dial(), count = 0;
    (void)state;

    put(fd, "{\"cmd\":\"hold\"}\n");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (at - text < 100 * 1024) {
        at = stpcpy(at, "{\"cmd\":\"refuse\"}\n");
        count++;
    }
    assert_int_equal(send(fd, text, (size_t)(at - text), 0), at - text);
    fcntl(fd, F_SETFL, 0);
    turn();
    assert_int_equal(requests, 1);
    ctl_reply_ok(held);
    expect_ok(fd);
    for (int i = 0; i < count; i++)
        expect_code(fd, "refused");
    close(fd);
    free(text);
}

static void peer_may_hang_up_while_held(void **state)
{
    int fd = dial();
    (void)state;

    put(fd, "{\"cmd\":\"hold\"}\n");
    turn();
    close(fd);
    turn();
    ctl_reply_ok(held);
    turn();
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void hanging_up_while_held_is_told(void **state)
{
    int fd = dial(), told = 0;
    (void)state;

    put(fd, "{\"cmd\":\"hold\"}\n");
    turn();
    ctl_on_gone(held, count, &told);
    turn();
    assert_int_equal(told, 0);
    close(fd);
    turn();
    assert_int_equal(told, 1);
    ctl_reply_ok(held);
}

static void hanging_up_after_the_reply_is_nobodys_business(void **state)
{
    int fd = dial(), told = 0;
    (void)state;

    put(fd, "{\"cmd\":\"hold\"}\n");
    turn();
    ctl_on_gone(held, count, &told);
    ctl_reply_ok(held);
    expect_ok(fd);
    close(fd);
    turn();
    assert_int_equal(told, 0);
}

static void server_may_end_while_held(void **state)
{
    int fd = dial();
    (void)state;

    put(fd, "{\"cmd\":\"hold\"}\n");
    turn();
    ctl_server_free(server);
    server = NULL;
    ctl_reply_ok(held);
    expect_end(fd);
    close(fd);
}

static void server_may_end_in_its_handler(void **state)
{
    int fd = dial();
    (void)state;

    put(fd, "{\"cmd\":\"stop\"}\n{\"cmd\":\"echo\"}\n");
    expect_ok(fd);
    expect_end(fd);
    assert_int_equal(requests, 1);
    assert_int_equal(access(path, F_OK), -1);
    close(fd);
}

static void unanswered_request_is_an_error(void **state)
{
    int fd = dial();
    (void)state;

    put(fd, "{\"cmd\":\"nobody-knows\"}\n");
    expect_code(fd, "failed");
    close(fd);
}

static void half_closed_peer_gets_its_reply(void **state)
{
    int fd = dial();
    (void)state;

    put(fd, "{\"cmd\":\"hold\"}\n");
    shutdown(fd, SHUT_WR);
    turn();
    ctl_reply_ok(held);
    expect_ok(fd);
    expect_end(fd);
    close(fd);
    fd = dial();
    put(fd, "{\"cmd\":\"echo\"}\n{\"cmd\":\"echo\"}\n{\"cmd\"");
    shutdown(fd, SHUT_WR);
    expect_ok(fd);
    expect_ok(fd);
    expect_end(fd);
    close(fd);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(answers),
        T(bad_requests_are_told_and_survived),
        T(deep_nesting_is_refused),
        T(overlong_line_ends_the_connection),
        T(requests_in_pieces_and_in_a_row),
        T(held_request_is_answered_later),
        T(a_full_input_waits),
        T(peer_may_hang_up_while_held),
        T(hanging_up_while_held_is_told),
        T(hanging_up_after_the_reply_is_nobodys_business),
        T(server_may_end_while_held),
        T(server_may_end_in_its_handler),
        T(unanswered_request_is_an_error),
        T(half_closed_peer_gets_its_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
