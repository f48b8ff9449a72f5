/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_OUTPUT_UTIL_H
#define REMUS_TESTS_OUTPUT_UTIL_H

#include "tests/unit/fake_hv_util.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/output.h"

#define LEAST (PORT_VNET_LEN + 14)
#define LIMIT 100000

/* The guest's end of its interface, and the network as a socket that `switch:` ports connect to. */
struct rig {
    struct event_base *base;
    struct fake_vm vm;
    struct output o;
    char dir[32], path[64], spec[80];
    int guest, listener, network; /* network: the port that is connected; -1: none */
    char trouble[ERR_TEXT_MAX];   /* with the network; empty: none */
};

static uint8_t buf[PORT_FRAME_MAX];

static inline void note_trouble(const char *text, void *arg)
{
    struct rig *r = arg;

    snprintf(r->trouble, sizeof(r->trouble), "%s", text ? text : "");
}

static inline void new_guest(struct rig *r)
{
    int fd[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
    r->guest = fd[0];
    r->vm.net_fd = fd[1];
}

static inline void rig_open(struct rig *r, enum wire_hold hold)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};

    memset(r, 0, sizeof(*r));
    signal(SIGPIPE, SIG_IGN);
    strcpy(r->dir, "/tmp/remus-test-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->path, sizeof(r->path), "%s/sw", r->dir);
    snprintf(r->spec, sizeof(r->spec), "switch:%s", r->path);
    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", r->path);
    r->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(r->listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
    assert_int_equal(listen(r->listener, 4), 0);
    r->base = event_base_new();
    fake_vm_init(&r->vm, 1);
    new_guest(r);
    r->network = -1;
    struct hv_info info = {.mac = {2, [5] = 9}};
    snprintf(info.net, sizeof(info.net), "%s", r->spec);
    output_init(&r->o, r->base, &r->vm.vm, hold, &info, LIMIT);
    output_on_trouble(&r->o, note_trouble, r);
}

static inline void rig_close(struct rig *r)
{
    output_close(&r->o);
    close(r->guest);
    if (r->network >= 0)
        close(r->network);
    close(r->listener);
    unlink(r->path);
    rmdir(r->dir);
    fake_vm_free(&r->vm);
    event_base_free(r->base);
}

static inline void take(struct rig *r)
{
    struct err err;

    if (output_take(&r->o, &err))
        fail_msg("%s", err.text);
    if (r->o.hold == WIRE_HOLD_PRIMARY)
        r->network = accept(r->listener, NULL, NULL);
}

static inline void turn(struct rig *r)
{
    event_base_loop(r->base, EVLOOP_NONBLOCK);
}

/* One frame from the guest, and the turn in which it is read. */
static inline void guest_sends(struct rig *r, uint8_t mark)
{
    static uint8_t frame[LEAST];

    frame[LEAST - 1] = mark;
    assert_int_equal(send(r->guest, frame, sizeof(frame), 0), sizeof(frame));
    turn(r);
}

/* The next frame at `fd` ends in `mark`; 0: there is none. */
static inline void arrives(int fd, uint8_t mark)
{
    ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

    assert_int_equal(n, mark ? LEAST : -1);
    if (mark)
        assert_int_equal(buf[LEAST - 1], mark);
}

#endif
