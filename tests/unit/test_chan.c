/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/chan.h"

/* What the callbacks saw, and what they are to do. */
static struct seen {
    int messages, ends, fd;
    json_int_t last;
    bool free_on_message, free_on_end, echo;
} seen;

static struct event_base *base;
static struct chan *chan;
static int peer;

static void on_message(struct chan *c, json_t *message, int fd, void *arg)
{
    assert_ptr_equal(arg, &seen);
    seen.messages++;
    seen.last = json_integer_value(json_object_get(message, "n"));
    seen.fd = fd;
    if (seen.echo)
        assert_int_equal(chan_send(c, message, -1), 0);
    if (seen.free_on_message) {
        chan_free(c);
        chan = NULL;
    }
}

static void on_end(struct chan *c, void *arg)
{
    assert_ptr_equal(arg, &seen);
    seen.ends++;
    if (seen.free_on_end) {
        chan_free(c);
        chan = NULL;
    }
}

static int set_up(void **state)
{
    int pair[2];
    (void)state;

    seen = (struct seen){.fd = -1};
    base = event_base_new();
    if (!base || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
        return -1;
    peer = pair[1];
    chan = chan_new(base, pair[0], on_message, on_end, &seen);
    return chan ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    chan_free(chan);
    event_base_free(base);
    if (peer >= 0)
        close(peer);
    return 0;
}

static void turn(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void put(const char *text)
{
    assert_int_equal(send(peer, text, strlen(text), 0), strlen(text));
}

static void delivers_messages_in_order(void **state)
{
    (void)state;
    put("{\"n\": 1}");
    put("{\"n\": 2}");
    turn();
    assert_int_equal(seen.messages, 2);
    assert_int_equal(seen.last, 2);
    assert_int_equal(seen.fd, -1);
}

static void drops_what_is_no_object(void **state)
{
    (void)state;
    put("[1]");
    put("nonsense");
    put("{\"n\": 1, \"n\": 2}");
    put("{\"n\": 5}");
    turn();
    assert_int_equal(seen.messages, 1);
    assert_int_equal(seen.last, 5);
}

static void drops_overlong_messages(void **state)
{
    size_t len = CHAN_MESSAGE_MAX + 100;
    char *text = malloc(len);
    (void)state;

    memset(text, ' ', len);
    memcpy(text, "{\"n\": 1}", 8);
    assert_int_equal(send(peer, text, len, 0), len);
    free(text);
    turn();
    assert_int_equal(seen.messages, 0);
}

static void sends_at_most_the_maximum(void **state)
{
    char text[CHAN_MESSAGE_MAX + 1];
    (void)state;

    memset(text, 'x', CHAN_MESSAGE_MAX);
    text[CHAN_MESSAGE_MAX] = '\0';
    json_t *message = json_pack("{s:s}", "t", text);
    assert_int_equal(chan_send(chan, message, -1), -1);
    assert_int_equal(errno, EMSGSIZE);
    json_decref(message);

    text[CHAN_MESSAGE_MAX - strlen("{\"t\":\"\"}")] = '\0';
    message = json_pack("{s:s}", "t", text);
    assert_int_equal(chan_send(chan, message, -1), 0);
    json_decref(message);
    char got[CHAN_MESSAGE_MAX + 1];
    assert_int_equal(recv(peer, got, sizeof(got), 0), CHAN_MESSAGE_MAX);
}

static void a_full_channel_says_eagain(void **state)
{
    json_t *message = json_pack("{s:i}", "n", 1);
    int rc = 0;
    (void)state;

    for (int i = 0; i < 100000 && rc == 0; i++)
        rc = chan_send(chan, message, -1);
    assert_int_equal(rc, -1);
    assert_int_equal(errno, EAGAIN);
    json_decref(message);
}

static void a_dead_peer_says_epipe(void **state)
{
    json_t *message = json_pack("{s:i}", "n", 1);
    (void)state;

    close(peer);
    peer = -1;
    assert_int_equal(chan_send(chan, message, -1), -1);
    assert_int_equal(errno, EPIPE);
    json_decref(message);
}

static void last_words_come_before_the_end(void **state)
{
    (void)state;
    put("{\"n\": 7}");
    close(peer);
    peer = -1;
    chan_drain(chan);
    assert_int_equal(seen.messages, 1);
    assert_int_equal(seen.last, 7);
    assert_int_equal(seen.ends, 1);
    chan_drain(chan);
    turn();
    assert_int_equal(seen.ends, 1);
}

static void last_words_of_a_peer_that_did_not_listen(void **state)
{
    json_t *unread = json_object();
    assert_int_equal(chan_send(chan, unread, -1), 0);
    json_decref(unread);
    last_words_come_before_the_end(state);
}

static void may_be_freed_on_message(void **state)
{
    (void)state;
    seen.free_on_message = true;
    put("{\"n\": 1}");
    put("{\"n\": 2}");
    turn();
    assert_int_equal(seen.messages, 1);
    assert_null(chan);
    turn();
    assert_int_equal(seen.ends, 0);
    assert_int_equal(recv(peer, &(char){0}, 1, 0), -1); /* reset: one message was never read */
}

static void may_be_freed_on_end(void **state)
{
    (void)state;
    seen.free_on_end = true;
    close(peer);
    peer = -1;
    turn();
    assert_int_equal(seen.ends, 1);
    assert_null(chan);
}

static void may_answer_while_delivering(void **state)
{
    char got[64];
    (void)state;

    seen.echo = true;
    put("{ \"n\" : 3 }");
    turn();
    ssize_t len = recv(peer, got, sizeof(got), 0);
    assert_int_equal(len, strlen("{\"n\":3}"));
    assert_memory_equal(got, "{\"n\":3}", (size_t)len);
}

static void passes_descriptors(void **state)
{
    int pair[2], pipe_end[2];
    char c = 0;
    json_t *message = json_pack("{s:i}", "n", 1);
    (void)state;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(pipe(pipe_end), 0);
    struct seen other = {0};
    struct chan *sender = chan_new(base, pair[0], on_message, on_end, &other);
    chan_free(chan);
    chan = chan_new(base, pair[1], on_message, on_end, &seen);
    assert_int_equal(chan_send(sender, message, pipe_end[0]), 0);
    turn();
    assert_int_equal(seen.messages, 1);
    assert_true(seen.fd >= 0);
    assert_true(fcntl(seen.fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(pipe_end[1], "!", 1), 1);
    assert_int_equal(read(seen.fd, &c, 1), 1);
    assert_int_equal(c, '!');
    close(seen.fd);
    close(pipe_end[0]);
    close(pipe_end[1]);
    json_decref(message);
    chan_free(sender);
}

static int open_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Descriptors beside a bad message, or more than one, must not pile up. */
static void unwanted_descriptors_are_closed(void **state)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(3 * sizeof(int))];
    } control = {.space = {0}};
    struct iovec iov = {.iov_base = "[]", .iov_len = 2};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.space,
                         .msg_controllen = sizeof(control.space)};
    int before = open_fds();
    (void)state;

    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(3 * sizeof(int));
    memcpy(CMSG_DATA(c), (int[]){0, 1, 2}, 3 * sizeof(int));
    assert_int_equal(sendmsg(peer, &msg, 0), 2);
    turn();
    assert_int_equal(seen.messages, 0);
    assert_int_equal(open_fds(), before);
}

static pid_t spawn(const char *what)
{
    char *argv[] = {"test_chan", "--child", (char *)what, NULL};
    int fd;
    pid_t pid = chan_spawn_self(argv, &fd);

    assert_true(pid > 0);
    chan_free(chan);
    chan = chan_new(base, fd, on_message, on_end, &seen);
    assert_non_null(chan);
    return pid;
}

static void until_end(void)
{
    while (!seen.ends)
        event_base_loop(base, EVLOOP_ONCE);
}

static int status_of(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void child_gets_the_channel_and_nothing_else(void **state)
{
    (void)state;
    int stray = dup(0); /* neither close-on-exec nor wanted */
    pid_t pid = spawn("count");
    until_end();
    close(stray);
    assert_int_equal(seen.messages, 1);
    assert_int_equal(seen.last, 4); /* 0, 1, 2 and the channel */
    assert_int_equal(status_of(pid), 0);
}

static void child_sees_the_parents_end(void **state)
{
    (void)state;
    pid_t pid = spawn("wait");
    chan_free(chan);
    chan = NULL;
    int status = status_of(pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

static void caught(int sig)
{
    (void)sig;
}

static void child_starts_with_default_signals(void **state)
{
    sigset_t none, before;
    (void)state;

    signal(SIGTERM, caught);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, &before);
    pid_t pid = spawn("signals");
    until_end();
    assert_int_equal(status_of(pid), 0);
    sigprocmask(SIG_SETMASK, &before, NULL);
    signal(SIGTERM, SIG_DFL);
}

static int child_main(const char *what)
{
    char text[32];

    if (strcmp(what, "count") == 0) {
        snprintf(text, sizeof(text), "{\"n\": %d}", open_fds());
        return send(CHAN_CHILD_FD, text, strlen(text), 0) < 0;
    }
    if (strcmp(what, "wait") == 0)
        return recv(CHAN_CHILD_FD, text, sizeof(text), 0) == 0 ? 42 : 1;
    if (strcmp(what, "signals") == 0) {
        sigset_t mask;
        sigprocmask(SIG_BLOCK, NULL, &mask);
        return sigismember(&mask, SIGCHLD) || signal(SIGTERM, SIG_IGN) != SIG_DFL;
    }
    return 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--child") == 0)
        return child_main(argv[2]);

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(delivers_messages_in_order),      T(drops_what_is_no_object),
        T(drops_overlong_messages),         T(sends_at_most_the_maximum),
        T(a_full_channel_says_eagain),      T(a_dead_peer_says_epipe),
        T(last_words_come_before_the_end),  T(last_words_of_a_peer_that_did_not_listen),
        T(may_be_freed_on_message),         T(may_be_freed_on_end),
        T(may_answer_while_delivering),     T(passes_descriptors),
        T(unwanted_descriptors_are_closed), T(child_gets_the_channel_and_nothing_else),
        T(child_sees_the_parents_end),      T(child_starts_with_default_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
