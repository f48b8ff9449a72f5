/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/ctl.h"

static struct event_base *base;
static struct ctl_server *server;
static char dir[64], path[96];
static struct err err;
static struct ctl_buf buf;
static struct ctl_conn *held;
static int requests;

static void on_request(struct ctl_conn *conn, json_t *request, void *arg)
{
    const char *cmd = json_string_value(json_object_get(request, "cmd"));

    assert_ptr_equal(arg, &requests);
    requests++;
    if (strcmp(cmd, "echo") == 0) {
        ctl_reply(conn, json_pack("{s:b, s:O}", "ok", 1, "request", request));
    } else if (strcmp(cmd, "hold") == 0) {
        held = ctl_hold(conn);
    } else if (strcmp(cmd, "hold-and-answer") == 0) {
        ctl_reply_ok(ctl_hold(conn));
    } else if (strcmp(cmd, "follow") == 0) {
        ctl_reply_ok(conn);
        ctl_stream(conn);
    } else if (strcmp(cmd, "stream") == 0) {
        ctl_stream(conn);
    } else if (strcmp(cmd, "refuse") == 0) {
        struct err why;
        err_set(&why, "a hint", "a cause");
        ctl_reply_err(conn, "refused", &why);
    } else if (strcmp(cmd, "stop") == 0) {
        ctl_reply_ok(conn);
        ctl_server_free(server);
        server = NULL;
    } else if (strcmp(cmd, "huge") == 0) {
        char *text = malloc(CTL_REPLY_MAX + 1);
        memset(text, 'x', CTL_REPLY_MAX);
        text[CTL_REPLY_MAX] = '\0';
        ctl_reply(conn, json_pack("{s:b, s:s}", "ok", 1, "text", text));
        free(text);
    }
}

static int set_up(void **state)
{
    (void)state;
    requests = 0;
    held = NULL;
    snprintf(dir, sizeof(dir), "/tmp/test_ctl_XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/run/d.sock", dir);
    base = event_base_new();
    server = ctl_server_new(base, path, on_request, &requests, &err);
    return server ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ctl_server_free(server);
    ctl_buf_free(&buf);
    event_base_free(base);
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    return rmdir(dir);
}

static void turn(void)
{
    for (int i = 0; i < 5; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static int dial(void)
{
    int fd = ctl_connect(path, &err);
    assert_true(fd >= 0);
    return fd;
}

static void put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Runs the server until a line comes; NULL when it hung up. */
static json_t *get(int fd)
{
    for (;;) {
        turn();
        json_t *line = ctl_read(fd, &buf, 1, &err);
        if (line || errno != ETIMEDOUT)
            return line;
    }
}

static void expect_code(int fd, const char *code)
{
    json_t *reply = get(fd);
    assert_non_null(reply);
    assert_true(json_is_false(json_object_get(reply, "ok")));
    assert_string_equal(json_string_value(json_object_get(reply, "code")), code);
    assert_true(json_is_string(json_object_get(reply, "error")));
    assert_true(json_is_string(json_object_get(reply, "hint")));
    json_decref(reply);
}

static void expect_ok(int fd)
{
    json_t *reply = get(fd);
    assert_non_null(reply);
    assert_true(json_is_true(json_object_get(reply, "ok")));
    json_decref(reply);
}

static void expect_end(int fd)
{
    assert_null(get(fd));
    assert_true(errno == 0 || errno == ECONNRESET);
}

static void socket_is_private(void **state)
{
    struct stat st;
    (void)state;

    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

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

static void too_long_reply_becomes_an_error(void **state)
{
    int fd = dial();
    (void)state;

    put(fd, "{\"cmd\":\"huge\"}\n");
    expect_code(fd, "failed");
    close(fd);
}

static void followers_get_broadcasts(void **state)
{
    json_t *line = json_pack("{s:s}", "event", "x");
    int fd = dial(), other = dial(), deaf = dial();
    (void)state;

    put(fd, "{\"cmd\":\"follow\"}\n");
    expect_ok(fd);
    put(other, "{\"cmd\":\"stream\"}\n");
    turn();
    put(other, "{\"cmd\":\"echo\"}\n"); /* ignored from now on */
    ctl_broadcast(server, line);
    for (int i = 0; i < 2; i++) {
        json_t *got = get(i ? other : fd);
        assert_true(json_equal(got, line));
        json_decref(got);
    }
    close(other);
    turn();
    ctl_broadcast(server, line);
    json_decref(get(fd));
    assert_int_equal(recv(deaf, &(char){0}, 1, MSG_DONTWAIT), -1);
    close(fd);
    close(deaf);
    json_decref(line);
}

static void slow_follower_is_dropped(void **state)
{
    char text[60001];
    int fd = dial();
    (void)state;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    json_t *line = json_pack("{s:s}", "event", text);
    put(fd, "{\"cmd\":\"follow\"}\n");
    expect_ok(fd);
    for (int i = 0; i < 1000; i++) {
        ctl_broadcast(server, line);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    json_t *got;
    int lines = 0;
    while ((got = get(fd))) {
        json_decref(got);
        lines++;
    }
    assert_true(lines < 1000);
    close(fd);
    json_decref(line);
}

/* A peer that asks and never reads must not make the server hoard replies. */
static void unread_replies_stop_the_service(void **state)
{
    int fd = dial();
    (void)state;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 100000 && send(fd, "x\n", 2, MSG_NOSIGNAL) == 2; i++) {
        if (i % 100 == 0)
            turn();
    }
    assert_int_equal(errno, EAGAIN);
    close(fd);
}

static void connections_are_limited(void **state)
{
    int fd[CTL_CONN_MAX];
    (void)state;

    for (int i = 0; i < CTL_CONN_MAX; i++) {
        fd[i] = dial();
        turn();
    }
    int extra = dial();
    expect_code(extra, "busy");
    close(extra);
    close(fd[0]);
    turn();
    fd[0] = dial();
    put(fd[0], "{\"cmd\":\"echo\"}\n");
    expect_ok(fd[0]);
    for (int i = 0; i < CTL_CONN_MAX; i++)
        close(fd[i]);
}

static void live_socket_is_respected(void **state)
{
    (void)state;
    assert_null(ctl_server_new(base, path, on_request, NULL, &err));
    assert_int_equal(errno, EADDRINUSE);
    assert_non_null(strstr(err.text, path));
    assert_true(err.hint[0]);
    answers(state);
}

static void stale_socket_is_replaced(void **state)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    ctl_server_free(server);
    assert_int_equal(access(path, F_OK), -1);
    memcpy(addr.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd);
    assert_int_equal(access(path, F_OK), 0);
    server = ctl_server_new(base, path, on_request, &requests, &err);
    assert_non_null(server);
    answers(state);
}

static void other_files_are_not_touched(void **state)
{
    char text[200];
    (void)state;

    ctl_server_free(server);
    server = NULL;
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_null(ctl_server_new(base, path, on_request, NULL, &err));
    assert_int_equal(errno, EEXIST);
    assert_int_equal(access(path, F_OK), 0);
    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_null(ctl_server_new(base, text, on_request, NULL, &err));
    assert_int_equal(errno, ENAMETOOLONG);
    assert_null(ctl_server_new(base, "/proc/no/where", on_request, NULL, &err));
}

static void client_errors(void **state)
{
    char text[CTL_LINE_MAX + 1];
    int fd = dial();
    (void)state;

    assert_null(ctl_read(fd, &buf, 0, &err));
    assert_int_equal(errno, ETIMEDOUT);
    memset(text, 'x', CTL_LINE_MAX);
    text[CTL_LINE_MAX] = '\0';
    json_t *request = json_pack("{s:s}", "cmd", text);
    assert_int_equal(ctl_send(fd, request, &err), -1);
    assert_int_equal(errno, EMSGSIZE);
    json_decref(request);
    close(fd);
    ctl_server_free(server);
    server = NULL;
    assert_int_equal(ctl_connect(path, &err), -1);
    assert_int_equal(errno, ENOENT);
    assert_non_null(strstr(err.text, path));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(socket_is_private),
        T(answers),
        T(bad_requests_are_told_and_survived),
        T(deep_nesting_is_refused),
        T(overlong_line_ends_the_connection),
        T(requests_in_pieces_and_in_a_row),
        T(held_request_is_answered_later),
        T(a_full_input_waits),
        T(peer_may_hang_up_while_held),
        T(server_may_end_while_held),
        T(server_may_end_in_its_handler),
        T(unanswered_request_is_an_error),
        T(half_closed_peer_gets_its_reply),
        T(too_long_reply_becomes_an_error),
        T(followers_get_broadcasts),
        T(slow_follower_is_dropped),
        T(unread_replies_stop_the_service),
        T(connections_are_limited),
        T(live_socket_is_respected),
        T(stale_socket_is_replaced),
        T(other_files_are_not_touched),
        T(client_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
