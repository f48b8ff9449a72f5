/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port_pump SPEC: opens one port and joins it to stdin and stdout. Both carry frames (vnet header
 * first) with their length as a u32 in host order before them; on stdout a length of 0 tells that
 * the last frame written was refused, and is followed by errno as a u32. Says "ready" on stderr
 * when the port is open. Ends with 0 at the end of stdin, with 3 when the port is gone, with 1 on
 * errors.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/net/port.h"

struct pump {
    struct event_base *base;
    struct event *port_ev, *stdin_ev;
    struct port *port;
    int status;
};

static uint8_t frame[PORT_FRAME_MAX];

static void stop(struct pump *p, int status)
{
    p->status = status;
    event_base_loopbreak(p->base);
}

static void out(const void *data, size_t len)
{
    if (fwrite(data, 1, len, stdout) != len || fflush(stdout) != 0)
        exit(1);
}

static void tell(uint32_t word, const void *data, size_t len)
{
    out(&word, sizeof(word));
    out(data, len);
}

static void from_port(evutil_socket_t fd, short what, void *arg)
{
    struct pump *p = arg;
    (void)fd;
    (void)what;

    for (;;) {
        ssize_t n = port_read(p->port, frame, sizeof(frame));
        if (n == 0)
            return;
        if (n < 0) {
            stop(p, errno == EPIPE ? 3 : 1);
            return;
        }
        tell((uint32_t)n, frame, (size_t)n);
    }
}

/** Reads exactly `len` bytes of stdin: the other end always writes whole frames. */
static int read_all(void *buf, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = read(STDIN_FILENO, (char *)buf + at, len - at);
        if (n <= 0)
            return -1;
        at += (size_t)n;
    }
    return 0;
}

static void from_stdin(evutil_socket_t fd, short what, void *arg)
{
    struct pump *p = arg;
    uint32_t len;
    (void)fd;
    (void)what;

    if (read_all(&len, sizeof(len)) < 0 || len > sizeof(frame) || read_all(frame, len) < 0) {
        stop(p, 0);
        return;
    }
    if (port_write(p->port, frame, len) == 0)
        return;
    if (errno == EPIPE) {
        stop(p, 3);
        return;
    }
    uint32_t error = (uint32_t)errno;
    tell(0, &error, sizeof(error));
}

static struct event *watch(struct pump *p, int fd, event_callback_fn callback)
{
    struct event *ev = event_new(p->base, fd, EV_READ | EV_PERSIST, callback, p);

    if (!ev || event_add(ev, NULL) < 0)
        exit(1);
    return ev;
}

static int run(struct pump *p)
{
    p->base = event_base_new();
    if (!p->base)
        return 1;
    p->port_ev = watch(p, port_fd(p->port), from_port);
    p->stdin_ev = watch(p, STDIN_FILENO, from_stdin);
    fprintf(stderr, "ready\n");
    event_base_dispatch(p->base);
    event_free(p->port_ev);
    event_free(p->stdin_ev);
    event_base_free(p->base);
    return p->status;
}

int main(int argc, char **argv)
{
    struct pump p = {0};
    struct err err;

    if (argc != 2) {
        fprintf(stderr, "usage: port_pump SPEC\n");
        return 1;
    }
    p.port = port_open(argv[1], &err);
    if (!p.port) {
        fprintf(stderr, "%s (%s)\n", err.text, err.hint);
        return 1;
    }
    p.status = run(&p);
    port_close(p.port);
    return p.status;
}
