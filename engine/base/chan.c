/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/chan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/log.h"

/* Messages taken per turn of the loop: one talkative child must not starve the others. */
#define BATCH 32

struct chan {
    struct event *readable;
    int fd;
    chan_message_cb on_message;
    chan_closed_cb on_closed;
    void *arg;
    unsigned busy; /* callbacks on the stack: chan_free then leaves the memory to them */
    bool freed;
    bool ended;
    char buf[CHAN_MESSAGE_MAX]; /* of the message being read or written */
};

/* Room for one descriptor beside a message. */
union one_fd {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
};

enum got { GOT_MESSAGE, GOT_NOTHING, GOT_END };

/* Keeps the first descriptor that came along and closes the others. */
static int take_fd(struct msghdr *msg)
{
    int first = -1;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (first < 0)
                first = fd;
            else
                close(fd);
        }
    }
    return first;
}

static enum got receive(struct chan *chan, size_t *len, int *fd, bool *whole)
{
    union one_fd control;
    struct iovec iov = {.iov_base = chan->buf, .iov_len = sizeof(chan->buf)};
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.space,
        .msg_controllen = sizeof(control.space),
    };
    ssize_t got;

    /* A peer that ended with messages unread: that is told once, before its own last ones. */
    do
        got = recvmsg(chan->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got < 0)
        return errno == EAGAIN ? GOT_NOTHING : GOT_END;
    if (got == 0)
        return GOT_END; /* an empty message looks the same: nobody sends one */
    *len = (size_t)got;
    *fd = take_fd(&msg);
    *whole = !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
    return GOT_MESSAGE;
}

static void deliver(struct chan *chan, size_t len, int fd, bool whole)
{
    json_error_t why;
    json_t *message = NULL;

    if (whole)
        message = json_loadb(chan->buf, len, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(message)) {
        chan->on_message(chan, message, fd, chan->arg);
    } else {
        log_warnx("a message between daemon and VM child is no JSON object: dropped");
        if (fd >= 0)
            close(fd);
    }
    json_decref(message);
}

static void deliver_end(struct chan *chan)
{
    chan->ended = true;
    event_del(chan->readable);
    chan->on_closed(chan, chan->arg);
}

static void release(struct chan *chan)
{
    event_free(chan->readable);
    close(chan->fd);
    free(chan);
}

static void pump(struct chan *chan, unsigned most)
{
    chan->busy++;
    for (unsigned i = 0; i < most && !chan->freed && !chan->ended; i++) {
        size_t len;
        int fd;
        bool whole;
        enum got got = receive(chan, &len, &fd, &whole);
        if (got == GOT_NOTHING)
            break;
        if (got == GOT_MESSAGE)
            deliver(chan, len, fd, whole);
        else
            deliver_end(chan);
    }
    if (--chan->busy == 0 && chan->freed)
        release(chan);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pump(arg, BATCH);
}

void chan_drain(struct chan *chan)
{
    pump(chan, UINT_MAX);
}

static int prepare_fd(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
        return -1;
    return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

struct chan *chan_new(struct event_base *base, int fd, chan_message_cb on_message,
                      chan_closed_cb on_closed, void *arg)
{
    if (prepare_fd(fd))
        return NULL;
    struct chan *chan = calloc(1, sizeof(*chan));
    if (!chan)
        return NULL;
    chan->fd = fd;
    chan->on_message = on_message;
    chan->on_closed = on_closed;
    chan->arg = arg;
    chan->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, chan);
    if (!chan->readable || event_add(chan->readable, NULL)) {
        if (chan->readable)
            event_free(chan->readable);
        free(chan);
        errno = ENOMEM;
        return NULL;
    }
    return chan;
}

void chan_free(struct chan *chan)
{
    if (!chan)
        return;
    if (chan->busy == 0) {
        release(chan);
        return;
    }
    chan->freed = true;
    event_del(chan->readable);
}

/* `control` must last until the message is sent. */
static void attach_fd(struct msghdr *msg, union one_fd *control, int fd)
{
    memset(control, 0, sizeof(*control));
    msg->msg_control = control->space;
    msg->msg_controllen = sizeof(control->space);
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

int chan_send(struct chan *chan, const json_t *message, int fd)
{
    union one_fd control;
    ssize_t sent;

    /* The buffer is free for us: a message that is being delivered has been parsed already. */
    size_t len = json_dumpb(message, chan->buf, CHAN_MESSAGE_MAX, JSON_COMPACT);
    if (len == 0 || len > CHAN_MESSAGE_MAX) {
        errno = len ? EMSGSIZE : EINVAL;
        return -1;
    }
    struct iovec iov = {.iov_base = chan->buf, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0)
        attach_fd(&msg, &control, fd);
    do
        sent = sendmsg(chan->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}
