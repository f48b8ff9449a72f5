/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "backupd/backupd.h"
#include "engine/base/ctl.h"
#include "engine/base/log.h"
#include "tests/unit/proto_samples.h"

/* The two listeners there are, of the control socket and of backupd, without a free descriptor. */

#define QUIET_MS 350 /* several pauses */
#define TURNS    40  /* far fewer turns of the loop than one that spins makes meanwhile */

static struct event_base *base;
static char dir[64], path[96];
static int sessions, requests, said[2], saved_stderr;
static struct rlimit limit;

static void on_session(int fd, const struct uuid *uuid, void *arg)
{
    (void)uuid;
    (void)arg;
    sessions++;
    close(fd);
}

static void on_request(struct ctl_conn *conn, json_t *request, void *arg)
{
    (void)request;
    (void)arg;
    requests++;
    ctl_reply_ok(conn);
}

static int set_up(void **state)
{
    (void)state;
    sessions = requests = 0;
    log_init("prog", LOG_LEVEL_WARN);
    snprintf(dir, sizeof(dir), "/tmp/remus-test-XXXXXX");
    if (!mkdtemp(dir) || pipe2(said, O_NONBLOCK) || getrlimit(RLIMIT_NOFILE, &limit))
        return -1;
    snprintf(path, sizeof(path), "%s/sock", dir);
    saved_stderr = dup(STDERR_FILENO);
    base = event_base_new();
    return base ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    event_base_free(base);
    close(saved_stderr);
    close(said[0]);
    close(said[1]);
    return rmdir(dir);
}

/* From here on no descriptor can be had. */
static void take_descriptors(void)
{
    int lowest = dup(STDIN_FILENO);
    struct rlimit none = {.rlim_cur = (rlim_t)lowest, .rlim_max = limit.rlim_max};

    close(lowest);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(arg);
}

/* The turns of the loop in QUIET_MS. */
static unsigned turns(void)
{
    struct timeval tv = {.tv_usec = QUIET_MS * 1000};
    unsigned n = 0;

    event_base_once(base, -1, EV_TIMEOUT, on_time, base, &tv);
    do {
        event_base_loop(base, EVLOOP_ONCE);
        n++;
    } while (!event_base_got_break(base));
    return n;
}

static unsigned lines(const char *text)
{
    unsigned n = 0;

    for (; (text = strchr(text, '\n')); text++)
        n++;
    return n;
}

/* With a connection waiting: no spinning, and one line in the log, however long it takes. */
static void waits_patiently(void)
{
    static char text[1 << 16];

    take_descriptors();
    dup2(said[1], STDERR_FILENO);
    unsigned n = turns();
    dup2(saved_stderr, STDERR_FILENO);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ssize_t got = read(said[0], text, sizeof(text) - 1);
    assert_true(got > 0);
    text[got] = '\0';
    assert_in_range(n, 1, TURNS);
    assert_int_equal(lines(text), 1);
}

static void send_hello(int fd)
{
    static uint8_t buf[65536];
    struct wcur w = {buf, buf + sizeof(buf), false};
    struct msg_hello m = sample_hello();
    struct session s;

    session_init(&s, SESSION_PRIMARY, SAMPLE_GENERATION);
    assert_true(session_put_hello(&s, &w, &m));
    assert_int_equal(write(fd, buf, (size_t)(w.p - buf)), w.p - buf);
}

static void listener_of_backupd(void **state)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct err err;
    (void)state;

    struct listener *l = listener_new(base, "127.0.0.1:0", on_session, NULL, &err);
    assert_non_null(l);
    to.sin_port = htons((uint16_t)atoi(strchr(listener_address(l), ':') + 1));
    for (int i = 0; i < 2; i++) { /* after the first burst everything is as before it */
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
        waits_patiently();
        send_hello(fd);
        while (sessions == i)
            event_base_loop(base, EVLOOP_ONCE);
        close(fd);
    }
    listener_free(l);
}

static void control_socket(void **state)
{
    json_t *request = json_pack("{s:s}", "cmd", "x");
    struct err err;
    (void)state;

    struct ctl_server *server = ctl_server_new(base, path, on_request, NULL, &err);
    assert_non_null(server);
    int fd[2]; /* open until the end: a descriptor given back would be one to be had */
    for (int i = 0; i < 2; i++) {
        fd[i] = ctl_connect(path, &err);
        waits_patiently();
        assert_int_equal(ctl_send(fd[i], request, &err), 0);
        while (requests == i)
            event_base_loop(base, EVLOOP_ONCE);
    }
    close(fd[0]);
    close(fd[1]);
    json_decref(request);
    ctl_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(listener_of_backupd, set_up, tear_down),
        cmocka_unit_test_setup_teardown(control_socket, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
