/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/sim/sim_proto.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void sim_address(struct sockaddr_un *ret, int dirfd, const char *file)
{
    memset(ret, 0, sizeof(*ret));
    ret->sun_family = AF_UNIX;
    snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%.80s", dirfd, file);
}

void sim_socket_name(char *buf, size_t cap, const struct uuid *uuid, const char *suffix)
{
    char text[UUID_TEXT_LEN + 1];

    uuid_format(uuid, text);
    snprintf(buf, cap, "%s%s", text, suffix);
}

int sim_connect(int dirfd, const char *file)
{
    struct sockaddr_un addr;

    sim_address(&addr, dirfd, file);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static void put_fds(struct msghdr *head, char *control, const int *fds, size_t nfds)
{
    head->msg_control = control;
    head->msg_controllen = CMSG_SPACE(nfds * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(head);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
    memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
}

int sim_send(int fd, const struct sim_msg *msg, const void *payload, const int *fds, size_t nfds)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(SIM_FDS_MAX * sizeof(int))] = {0};
    struct sim_msg copy = *msg;
    struct iovec iov[2] = {{&copy, sizeof(copy)}, {(void *)payload, msg->len}};
    struct msghdr head = {.msg_iov = iov, .msg_iovlen = msg->len ? 2 : 1};
    ssize_t n;

    if (nfds)
        put_fds(&head, control, fds, nfds);
    do
        n = sendmsg(fd, &head, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

static size_t take_fds(struct msghdr *head, int fds[SIM_FDS_MAX])
{
    size_t n = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(c), n * sizeof(int));
    }
    return n;
}

int sim_recv(int fd, struct sim_msg *msg, void *payload, int fds[SIM_FDS_MAX], size_t *nfds)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(SIM_FDS_MAX * sizeof(int))];
    struct iovec iov[2] = {{msg, sizeof(*msg)}, {payload, SIM_PAYLOAD_MAX}};
    struct msghdr head = {
        .msg_iov = iov, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof(control)};
    ssize_t n;

    *nfds = 0;
    /* A peer that closed with packets unread: told once, ahead of what it has sent. */
    do
        n = recvmsg(fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && (errno == EINTR || errno == ECONNRESET));
    if (n <= 0)
        return (int)n;
    *nfds = take_fds(&head, fds);
    if ((head.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || (size_t)n < sizeof(*msg) ||
        msg->len != (size_t)n - sizeof(*msg)) {
        errno = EPROTO;
        return -1;
    }
    return 1;
}
