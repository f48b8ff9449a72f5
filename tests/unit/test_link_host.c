/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/link/link.h"

/* A peer whose host is gone without a word: its packets and ours end at an interface that is down.
 */

static void set_up(bool up)
{
    struct ifreq req = {.ifr_name = "lo", .ifr_flags = up ? IFF_UP : 0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &req), 0);
    close(fd);
}

static void connect_pair(int pair[2])
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(addr);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(pair[0], (struct sockaddr *)&addr, sizeof(addr)), 0);
    pair[1] = accept(listener, NULL, NULL);
    assert_true(pair[1] >= 0);
    close(listener);
}

struct world {
    struct event_base *base;
    struct link *link;
    int peer;
    bool ended;
    enum link_end why;
};

static void on_record(struct link *link, const struct session_event *ev, void *arg)
{
    (void)link;
    (void)ev;
    (void)arg;
}

static void on_end(struct link *link, enum link_end why, const char *text, void *arg)
{
    struct world *w = arg;

    (void)link;
    (void)text;
    w->ended = true;
    w->why = why;
    event_base_loopbreak(w->base);
}

static int build(void **state)
{
    static const struct link_ops ops = {.on_record = on_record, .on_end = on_end};
    static struct world w;
    int pair[2];

    set_up(true);
    connect_pair(pair);
    w = (struct world){.base = event_base_new(), .peer = pair[1]};
    w.link = link_new(w.base, pair[0], SESSION_PRIMARY, 1, 65536, &ops, &w);
    assert_non_null(w.link);
    link_watch_host(w.link, 300);
    *state = &w;
    return 0;
}

static int clear(void **state)
{
    struct world *w = *state;

    link_free(w->link, false);
    close(w->peer);
    event_base_free(w->base);
    return 0;
}

/* For a second at least: several times the time that the host had, with a probe a second. */
static void run(struct world *w, int seconds)
{
    struct timeval tv = {.tv_sec = seconds};

    event_base_loopexit(w->base, &tv);
    event_base_dispatch(w->base);
}

static void host_that_is_gone_ends_the_link(void **state)
{
    struct world *w = *state;

    set_up(false);
    run(w, 20);
    assert_true(w->ended);
    assert_int_equal(w->why, LINK_ERROR);
}

static void silent_peer_on_a_living_host_does_not(void **state)
{
    struct world *w = *state;

    run(w, 3);
    assert_false(w->ended);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, build, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(silent_peer_on_a_living_host_does_not),
        TEST(host_that_is_gone_ends_the_link),
    };

    if (unshare(CLONE_NEWNET)) {
        fprintf(stderr, "no right to have a network of its own\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
