/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/mono.h"
#include "engine/dial.h"

#define SILENT "silent.invalid:7"

/* Name servers are silent about one name until this is posted. */
static sem_t answered;

/* In place of libc's. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **all)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(host, "silent.invalid") != 0 || (hints->ai_flags & AI_NUMERICHOST))
        return real(host, port, hints, all);
    while (sem_wait(&answered))
        ;
    return real("127.0.0.1", port, hints, all);
}

struct answer {
    unsigned calls;
    int fd, error;
    char text[ERR_TEXT_MAX], hint[ERR_TEXT_MAX];
};

static void on_done(int fd, const struct err *err, void *arg)
{
    struct answer *a = arg;

    a->error = errno;
    a->calls++;
    a->fd = fd;
    assert_int_equal(fd < 0, err != NULL);
    if (err) {
        snprintf(a->text, sizeof(a->text), "%s", err->text);
        snprintf(a->hint, sizeof(a->hint), "%s", err->hint);
    }
}

/* A listener on loopback, or a port on which nobody listens. */
static int listen_on(int family, bool listening, unsigned *port)
{
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr *sa = family == AF_INET ? (struct sockaddr *)&sin : (struct sockaddr *)&sin6;
    socklen_t len = family == AF_INET ? sizeof(sin) : sizeof(sin6);
    int fd = socket(family, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, sa, len) < 0)
        return -1;
    assert_int_equal(getsockname(fd, sa, &len), 0);
    *port = ntohs(family == AF_INET ? sin.sin_port : sin6.sin6_port);
    if (listening)
        assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static struct answer dial(const char *target)
{
    struct event_base *base = event_base_new();
    struct answer a = {.fd = -7};
    struct err err;

    if (!dial_start(base, target, 60000, on_done, &a, &err))
        fail_msg("%s", err.text);
    assert_int_equal(a.calls, 0); /* never from inside dial_start */
    event_base_dispatch(base);    /* ends when the dial has no event left */
    assert_int_equal(a.calls, 1);
    event_base_free(base);
    return a;
}

static void forms_of_an_address(void **state)
{
    (void)state;
    static const char *const good[] = {"host",        "host:1",          "192.0.2.1:65535",
                                       "::1",         "[::1]",           "[fe80::1%lo]:7",
                                       "2001:db8::7", "a-b.example:7700"};
    static const char *const bad[] = {
        "",         ":",          ":7700",   "host:",   "host:0",
        "host:x",   "host:65536", "[::1",    "[]",      "[]:7700",
        "[::1]x",   "[::1]:",     "host:-1", "host:1x", "host:99999999999999999999",
        "host: 80", "host:+80"};
    char longest[400];
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (dial_check(good[i], &err))
            fail_msg("%s: %s", good[i], err.text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        memset(&err, 0, sizeof(err));
        if (dial_check(bad[i], &err) == 0)
            fail_msg("'%s' is taken", bad[i]);
        assert_true(err.text[0] && err.hint[0]);
        assert_null(dial_start(NULL, bad[i], 1, on_done, NULL, &err));
    }
    memset(longest, 'h', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(dial_check(longest, &err), -1);
}

static void reach(int family, const char *host)
{
    char target[64], octet = 0;
    unsigned port = 0;
    int at = listen_on(family, true, &port);

    if (at < 0 && family == AF_INET6) /* not on this host */
        return;
    snprintf(target, sizeof(target), "%s:%u", host, port);
    struct answer a = dial(target);
    if (a.fd < 0)
        fail_msg("%s", a.text);
    int peer = accept(at, NULL, NULL);
    assert_int_equal(write(a.fd, "x", 1), 1);
    assert_int_equal(read(peer, &octet, 1), 1);
    assert_int_equal(octet, 'x');
    close(peer);
    close(a.fd);
    close(at);
}

static void listener_is_reached(void **state)
{
    (void)state;
    reach(AF_INET, "127.0.0.1");
    reach(AF_INET, "localhost"); /* where ::1 is tried first and refuses */
    reach(AF_INET6, "[::1]");
}

static void nobody_there_is_an_error(void **state)
{
    (void)state;
    char target[64];
    unsigned port = 0;
    int at = listen_on(AF_INET, false, &port);

    assert_true(at >= 0);
    snprintf(target, sizeof(target), "127.0.0.1:%u", port);
    struct answer a = dial(target);
    assert_int_equal(a.fd, -1);
    assert_non_null(strstr(a.text, target));
    assert_non_null(strstr(a.text, strerror(ECONNREFUSED)));
    assert_true(a.hint[0] != '\0');
    close(at);
}

/* A listener whose queue is full answers no SYN: only the time-out ends the wait. */
static void silence_ends_with_the_time_out(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct answer a = {.fd = -7};
    struct err err;
    char target[64];
    unsigned port = 0, dials = 0;
    int at = listen_on(AF_INET, true, &port), fd[64];

    assert_int_equal(listen(at, 0), 0);
    snprintf(target, sizeof(target), "127.0.0.1:%u", port);
    while (a.fd != -1 && dials < 64) {
        a.calls = 0;
        assert_non_null(dial_start(base, target, 50, on_done, &a, &err));
        event_base_dispatch(base);
        assert_int_equal(a.calls, 1);
        if (a.fd >= 0)
            fd[dials++] = a.fd;
    }
    assert_int_equal(a.fd, -1);
    assert_non_null(strstr(a.text, strerror(ETIMEDOUT)));
    while (dials > 0)
        close(fd[--dials]);
    close(at);
    event_base_free(base);
}

static void name_that_does_not_resolve_is_an_error(void **state)
{
    (void)state;
    struct answer a = dial("bad name.invalid");

    assert_int_equal(a.fd, -1);
    assert_non_null(strstr(a.text, "bad name.invalid"));
    assert_true(a.hint[0] != '\0');
}

/* Of a loop that has other things to do: the answer comes when it has done them. */
static void answer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    assert_int_equal(((struct answer *)arg)->calls, 0);
    assert_int_equal(sem_post(&answered), 0);
}

static void late_answer_about_a_name_holds_nobody_up(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct answer a = {.fd = -7};
    struct timeval soon = {0};
    struct err err;
    char target[64];
    unsigned port = 0;
    int at = listen_on(AF_INET, true, &port);

    snprintf(target, sizeof(target), "silent.invalid:%u", port);
    assert_non_null(dial_start(base, target, 60000, on_done, &a, &err));
    assert_int_equal(event_base_once(base, -1, EV_TIMEOUT, answer, &a, &soon), 0);
    event_base_dispatch(base);
    assert_int_equal(a.calls, 1);
    if (a.fd < 0)
        fail_msg("%s", a.text);
    close(a.fd);
    close(at);
    event_base_free(base);
}

static void silent_name_servers_end_with_the_time_out(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct answer a = {.fd = -7};
    struct err err;

    assert_non_null(dial_start(base, SILENT, 20, on_done, &a, &err));
    event_base_dispatch(base);
    assert_int_equal(a.calls, 1);
    assert_int_equal(a.fd, -1);
    assert_non_null(strstr(a.text, "not resolved"));
    assert_non_null(strstr(a.text, strerror(ETIMEDOUT)));
    assert_int_equal(sem_post(&answered), 0); /* the thread gives up what nobody wants */
    event_base_free(base);
}

static void dial_cancelled_while_its_name_is_asked_for_says_nothing(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct answer a = {.calls = 0};
    struct err err;

    dial_cancel(dial_start(base, SILENT, 60000, on_done, &a, &err));
    assert_int_equal(sem_post(&answered), 0);
    event_base_dispatch(base);
    assert_int_equal(a.calls, 0);
    event_base_free(base);
}

static void cancelled_dial_says_nothing(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct answer a = {.calls = 0};
    struct err err;
    char target[64];
    unsigned port = 0;
    int at = listen_on(AF_INET, true, &port);

    snprintf(target, sizeof(target), "127.0.0.1:%u", port);
    for (unsigned turns = 0; turns < 2; turns++) {
        struct dial *d = dial_start(base, target, 60000, on_done, &a, &err);
        assert_non_null(d);
        for (unsigned i = 0; i < turns; i++) /* connect is under way */
            event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        if (a.calls == 0)
            dial_cancel(d);
        event_base_dispatch(base);
        assert_int_equal(a.calls, 0);
    }
    dial_cancel(NULL);
    close(at);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_an_address),
        cmocka_unit_test(listener_is_reached),
        cmocka_unit_test(nobody_there_is_an_error),
        cmocka_unit_test(silence_ends_with_the_time_out),
        cmocka_unit_test(name_that_does_not_resolve_is_an_error),
        cmocka_unit_test(late_answer_about_a_name_holds_nobody_up),
        cmocka_unit_test(silent_name_servers_end_with_the_time_out),
        cmocka_unit_test(dial_cancelled_while_its_name_is_asked_for_says_nothing),
        cmocka_unit_test(cancelled_dial_says_nothing),
    };
    if (sem_init(&answered, 0, 0))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
