/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/log.h"

/* Frames per turn of the loop: a flood from one side starves neither timers nor the other side. */
#define FRAMES_PER_TURN 64
/* A bridge does not yet forward what a TAP says in the moment that it is opened. */
#define ANNOUNCEMENTS 5
#define ANNOUNCE_US   20000

void output_init(struct output *o, struct event_base *base, struct hv_vm *vm, enum wire_hold hold,
                 const struct hv_info *info, size_t held_limit)
{
    memset(o, 0, sizeof(*o));
    o->base = base;
    o->vm = vm;
    o->hold = hold;
    o->epoch = 1;
    snprintf(o->net, sizeof(o->net), "%s", info->net);
    addrs_add_mac(&o->addrs, info->mac);
    frameq_init(&o->held, held_limit);
}

void output_on_trouble(struct output *o, void (*fn)(const char *text, void *arg), void *arg)
{
    o->on_trouble = fn;
    o->trouble_arg = arg;
}

static void stop_event(struct event **ev)
{
    if (*ev)
        event_free(*ev);
    *ev = NULL;
}

static void from_guest(struct output *o, size_t len)
{
    addrs_learn(&o->addrs, o->buf, len);
    /* A full queue drops and counts: status shows it. */
    (void)frameq_push(&o->held, o->epoch, o->buf, len);
}

static void on_nic(evutil_socket_t fd, short what, void *arg)
{
    struct output *o = arg;
    (void)fd;
    (void)what;

    for (int i = 0; i < FRAMES_PER_TURN; i++) {
        ssize_t n = port_read(o->nic, o->buf, sizeof(o->buf));
        if (n > 0) {
            from_guest(o, (size_t)n);
            continue;
        }
        if (n < 0) /* the VM is gone or has dropped its interface: hv_watch_fd tells which */
            stop_event(&o->nic_ev);
        return;
    }
}

static void trouble(struct output *o, const char *what)
{
    struct err err;

    (void)err_set(&err, "", "network port %s %s", port_name(o->outside), what);
    o->on_trouble(err.text, o->trouble_arg);
}

static void on_outside(evutil_socket_t fd, short what, void *arg)
{
    struct output *o = arg;
    (void)fd;
    (void)what;

    for (int i = 0; i < FRAMES_PER_TURN; i++) {
        ssize_t n = port_read(o->outside, o->buf, sizeof(o->buf));
        if (n > 0) {
            output_inject(o, o->buf, (size_t)n);
            continue;
        }
        if (n < 0) {
            trouble(o, "is gone: the guest hears nothing");
            stop_event(&o->outside_ev);
        }
        return;
    }
}

static int watch(struct output *o, struct port *port, event_callback_fn cb, struct event **ev)
{
    if (port_fd(port) < 0)
        return 0;
    *ev = event_new(o->base, port_fd(port), EV_READ | EV_PERSIST, cb, o);
    if (*ev && event_add(*ev, NULL) == 0)
        return 0;
    stop_event(ev);
    errno = ENOMEM;
    return -1;
}

static int take_nic(struct output *o, struct err *err)
{
    int fd;
    if (hv_net_take(o->vm, &fd, err) < 0)
        return -1;
    o->taken = true;
    o->nic = port_from_fd(fd, "guest");
    if (o->nic && watch(o, o->nic, on_nic, &o->nic_ev) == 0)
        return 0;
    int saved = errno;
    if (!o->nic)
        close(fd);
    errno = saved;
    return err_errno(err, "", "guest's interface");
}

/** After the guest has let go of it: a TAP has one user at a time. */
static int open_outside(struct output *o, struct err *err)
{
    if (o->hold != WIRE_HOLD_PRIMARY)
        return 0;
    o->outside = port_open(o->net, err);
    if (!o->outside)
        return -1;
    if (watch(o, o->outside, on_outside, &o->outside_ev) < 0)
        return err_errno(err, "", "network port %s", o->net);
    return 0;
}

int output_take(struct output *o, struct err *err)
{
    struct err more;

    if (o->nic || o->hold == WIRE_HOLD_NONE)
        return 0;
    if (take_nic(o, err) == 0 && open_outside(o, err) == 0)
        return 0;
    if (output_give(o, &more) < 0)
        log_warnx("guest's network not restored: %s", more.text);
    output_close(o);
    return -1;
}

void output_close(struct output *o)
{
    stop_event(&o->nic_ev);
    stop_event(&o->outside_ev);
    port_close(o->nic);
    port_close(o->outside);
    o->nic = o->outside = NULL;
    o->mute = false;
    frameq_clear(&o->held);
}

/** With hold=backup the network has learned that the guest is at the backup: tell it otherwise. */
static void announce(struct output *o)
{
    uint8_t buf[ADDRS_ANNOUNCE_MAX];
    struct err err;

    if (o->hold != WIRE_HOLD_BACKUP || o->addrs.count == 0)
        return;
    struct port *port = port_open(o->net, &err);
    if (!port) {
        log_warnx("guest's addresses not announced: %s", err.text);
        return;
    }
    for (size_t i = 0; i < ANNOUNCEMENTS * o->addrs.count; i++) {
        if (i > 0 && i % o->addrs.count == 0)
            usleep(ANNOUNCE_US);
        size_t len = addrs_announce(&o->addrs.addr[i % o->addrs.count], buf);
        if (port_write(port, buf, len) < 0)
            log_debug("announcement not sent");
    }
    port_close(port);
}

int output_give(struct output *o, struct err *err)
{
    if (!o->taken)
        return 0;
    output_close(o);
    announce(o);
    if (hv_net_give(o->vm, err) < 0)
        return -1;
    o->taken = false;
    return 0;
}

void output_cut(struct output *o, uint64_t epoch)
{
    o->epoch = epoch + 1;
}

static void write_outside(struct output *o, const void *frame, size_t len)
{
    if (port_write(o->outside, frame, len) == 0) {
        o->sent_frames++;
        if (o->mute)
            o->on_trouble(NULL, o->trouble_arg);
        o->mute = false;
        return;
    }
    o->out_dropped++;
    if (!port_is_mute(errno))
        return;
    o->mute = true;
    trouble(o, errno == EPIPE ? "is gone: no frame of the guest leaves"
                              : "is down: no frame of the guest leaves");
}

size_t output_release(struct output *o, uint64_t sealed, size_t most)
{
    size_t len, n = 0;
    const void *frame;

    if (!o->outside)
        return 0;
    while (n < most && (frame = frameq_peek(&o->held, sealed, &len)) != NULL) {
        write_outside(o, frame, len);
        frameq_pop(&o->held);
        n++;
    }
    return n;
}

void output_inject(struct output *o, const void *frame, size_t len)
{
    if (o->nic && port_write(o->nic, frame, len) == 0)
        o->in_frames++;
    else
        o->in_dropped++;
}
