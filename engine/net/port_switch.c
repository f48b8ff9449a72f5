/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/net/port_impl.h"
#include "engine/net/switch_sock.h"

static int switch_check(const char *rest, struct err *err)
{
    struct sockaddr_un addr;

    return switch_addr(rest, &addr, err);
}

static int switch_open(const char *rest, struct err *err)
{
    struct sockaddr_un addr;
    if (switch_addr(rest, &addr, err) < 0)
        return -1;

    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(err, "", "cannot make a socket for switch '%s'", rest);
    switch_sock_tune(fd);
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return err_errno(err, "start it: remus-simswitch --listen PATH", "cannot reach switch '%s'",
                     rest);
}

static ssize_t switch_read(struct port *port, void *buf, size_t cap)
{
    struct iovec iov = {buf, cap};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n = recvmsg(port->fd, &msg, MSG_DONTWAIT);

    /* The other side closed with frames unread, which is told once and before its last frames. */
    if (n < 0 && errno == ECONNRESET)
        n = recvmsg(port->fd, &msg, MSG_DONTWAIT);
    if (n == 0) { /* end of the connection */
        errno = EPIPE;
        return -1;
    }
    return n > 0 && (msg.msg_flags & MSG_TRUNC) ? PORT_READ_SKIP : n;
}

static int switch_write(struct port *port, const void *frame, size_t len)
{
    return send(port->fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

const struct port_ops port_switch_ops = {"switch", switch_check, switch_open, switch_read,
                                         switch_write};
