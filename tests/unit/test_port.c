/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/net/port.h"
#include "engine/net/switch_sock.h"

#define LEAST (PORT_VNET_LEN + 14)

static uint8_t buf[PORT_FRAME_MAX];

static void forms_of_a_spec(void **state)
{
    (void)state;
    static const char *const good[] = {"none",        "tap:remus0",       "tap:vm%d",
                                       "packet:eth0", "packet:enp0s31f6", "switch:/run/sw"};
    static const char *const bad[] = {"",        "tap",     "tap:",       "tap:0123456789abcdef",
                                      "tap:a/b", "tap:a b", "packet:..",  "packet:eth0:1",
                                      "switch:", "none:x",  "vhost:eth0", "taps:remus0"};
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(port_spec_check(good[i], &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        memset(&err, 0, sizeof(err));
        errno = 0;
        assert_int_equal(port_spec_check(bad[i], &err), -1);
        assert_int_equal(errno, EINVAL);
        assert_true(err.text[0] && err.hint[0]);
    }
}

static void overlong_switch_path_is_refused(void **state)
{
    (void)state;
    char spec[200] = "switch:";
    struct err err;

    memset(spec + strlen(spec), 'x', sizeof(spec) - 8);
    spec[sizeof(spec) - 1] = '\0';
    assert_int_equal(port_spec_check(spec, &err), -1);
}

static void what_cannot_be_opened_says_why(void **state)
{
    (void)state;
    static const char *const specs[] = {"packet:no-such-if", "tap:vm%d", "switch:/nowhere/sw",
                                        "bridge:br0"};
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
        memset(&err, 0, sizeof(err));
        assert_null(port_open(specs[i], &err));
        assert_true(err.text[0] != '\0');
    }
}

static void none_swallows_and_yields_nothing(void **state)
{
    (void)state;
    struct err err;
    struct port *port = port_open("none", &err);

    assert_non_null(port);
    assert_int_equal(port_fd(port), -1);
    assert_string_equal(port_name(port), "none");
    assert_int_equal(port_write(port, buf, LEAST), 0);
    assert_int_equal(port_read(port, buf, sizeof(buf)), 0);
    port_close(port);
    port_close(NULL);
}

struct pair {
    struct port *port;
    int peer;
};

static void pair_open(struct pair *p)
{
    int fd[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
    p->port = port_from_fd(fd[0], "pair");
    assert_non_null(p->port);
    p->peer = fd[1];
}

static void pair_close(struct pair *p)
{
    port_close(p->port);
    close(p->peer);
}

static void wrapped_descriptor_never_blocks(void **state)
{
    (void)state;
    struct pair p;

    pair_open(&p);
    assert_true(fcntl(port_fd(p.port), F_GETFL) & O_NONBLOCK);
    assert_int_equal(port_read(p.port, buf, sizeof(buf)), 0);
    pair_close(&p);
}

static void frames_pass_whole_up_to_the_largest(void **state)
{
    (void)state;
    static const size_t lengths[] = {LEAST, 1524, 20010, PORT_FRAME_MAX};
    static uint8_t sent[PORT_FRAME_MAX];
    struct pair p;

    pair_open(&p);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        memset(sent, (int)('a' + i), lengths[i]);
        assert_int_equal(port_write(p.port, sent, lengths[i]), 0);
        assert_int_equal(recv(p.peer, buf, sizeof(buf), 0), lengths[i]);
        assert_memory_equal(buf, sent, lengths[i]);
        assert_int_equal(send(p.peer, sent, lengths[i], 0), lengths[i]);
        assert_int_equal(port_read(p.port, buf, sizeof(buf)), lengths[i]);
        assert_memory_equal(buf, sent, lengths[i]);
    }
    pair_close(&p);
}

static void bad_lengths_are_dropped_and_counted(void **state)
{
    (void)state;
    static const uint8_t huge[PORT_FRAME_MAX + 1];
    struct pair p;

    pair_open(&p);
    assert_int_equal(send(p.peer, huge, sizeof(huge), 0), sizeof(huge));
    assert_int_equal(send(p.peer, huge, LEAST - 1, 0), LEAST - 1);
    assert_int_equal(send(p.peer, huge, LEAST, 0), LEAST);
    assert_int_equal(port_read(p.port, buf, sizeof(buf)), LEAST);
    assert_int_equal(port_dropped(p.port), 2);
    assert_int_equal(port_write(p.port, huge, LEAST - 1), -1);
    assert_int_equal(errno, EINVAL);
    pair_close(&p);
}

static void flood_of_bad_frames_does_not_keep_the_caller(void **state)
{
    (void)state;
    struct pair p;
    int sent = 0;

    pair_open(&p);
    while (send(p.peer, buf, 1, MSG_DONTWAIT) == 1)
        sent++;
    assert_int_equal(port_read(p.port, buf, sizeof(buf)), 0);
    assert_true(port_dropped(p.port) > 0 && port_dropped(p.port) < (uint64_t)sent);
    pair_close(&p);
}

static void full_peer_is_eagain_and_recovers(void **state)
{
    (void)state;
    struct pair p;

    pair_open(&p);
    while (port_write(p.port, buf, 9000) == 0)
        ;
    assert_int_equal(errno, EAGAIN);
    while (recv(p.peer, buf, sizeof(buf), MSG_DONTWAIT) > 0)
        ;
    assert_int_equal(port_write(p.port, buf, 9000), 0);
    pair_close(&p);
}

static void closed_peer_is_epipe_after_its_last_frame(void **state)
{
    (void)state;
    struct pair p;

    pair_open(&p);
    assert_int_equal(send(p.peer, buf, 100, 0), 100);
    close(p.peer);
    assert_int_equal(port_read(p.port, buf, sizeof(buf)), 100);
    assert_int_equal(port_read(p.port, buf, sizeof(buf)), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(port_write(p.port, buf, 100), -1);
    assert_int_equal(errno, EPIPE);
    port_close(p.port);
}

static void connects_to_a_listening_switch(void **state)
{
    (void)state;
    char dir[] = "/tmp/remus-port-XXXXXX", spec[80];
    struct sockaddr_un addr;
    struct err err;

    assert_non_null(mkdtemp(dir));
    snprintf(spec, sizeof(spec), "switch:%s/sw", dir);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    assert_int_equal(switch_addr(spec + strlen("switch:"), &addr, &err), 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(listener, 1), 0);

    struct port *port = port_open(spec, &err);
    assert_non_null(port);
    assert_string_equal(port_name(port), spec);
    int peer = accept(listener, NULL, NULL);
    assert_int_equal(port_write(port, buf, LEAST), 0);
    assert_int_equal(recv(peer, buf, sizeof(buf), 0), LEAST);

    port_close(port);
    close(peer);
    close(listener);
    unlink(addr.sun_path);
    rmdir(dir);
}

static void other_descriptors_are_not_taken(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_null(port_from_fd(fd, "udp"));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(close(fd), 0);
    assert_null(port_from_fd(-1, "closed"));
    assert_int_equal(errno, EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_a_spec),
        cmocka_unit_test(overlong_switch_path_is_refused),
        cmocka_unit_test(what_cannot_be_opened_says_why),
        cmocka_unit_test(none_swallows_and_yields_nothing),
        cmocka_unit_test(wrapped_descriptor_never_blocks),
        cmocka_unit_test(frames_pass_whole_up_to_the_largest),
        cmocka_unit_test(bad_lengths_are_dropped_and_counted),
        cmocka_unit_test(flood_of_bad_frames_does_not_keep_the_caller),
        cmocka_unit_test(full_peer_is_eagain_and_recovers),
        cmocka_unit_test(closed_peer_is_epipe_after_its_last_frame),
        cmocka_unit_test(connects_to_a_listening_switch),
        cmocka_unit_test(other_descriptors_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
