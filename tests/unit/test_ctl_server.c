/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/unit/fixture_ctl.h"

static void expect_service(void)
{
    int fd = dial();

    put(fd, "{\"cmd\":\"echo\"}\n");
    expect_ok(fd);
    close(fd);
}

static void socket_is_private(void **state)
{
    struct stat st;
    (void)state;

    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
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
    expect_service();
}

static void stale_socket_is_replaced(void **state)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)state;

    ctl_server_free(server);
    assert_int_equal(access(path, F_OK), -1);
    memcpy(addr.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd);
    assert_int_equal(access(path, F_OK), 0);
    server = ctl_server_new(base, path, on_request, &requests, &err);
    assert_non_null(server);
    expect_service();
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
