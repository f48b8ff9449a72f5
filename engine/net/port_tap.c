/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/net/port_impl.h"

static int attach(int fd, const char *name)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int header = PORT_VNET_LEN;

    memcpy(ifr.ifr_name, name, strlen(name) + 1);
    if (ioctl(fd, TUNSETIFF, &ifr) < 0)
        return -1;
    return ioctl(fd, TUNSETVNETHDRSZ, &header);
}

/** What the host may leave to the guest's side; the first set this kernel knows. */
static int set_offload(int fd)
{
    static const unsigned long sets[] = {TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
                                         TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6, TUN_F_CSUM, 0};

    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        if (ioctl(fd, TUNSETOFFLOAD, sets[i]) == 0)
            return 0;
    return -1;
}

static int set_up(const char *name)
{
    struct ifreq ifr = {0};
    int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sock < 0)
        return -1;

    memcpy(ifr.ifr_name, name, strlen(name) + 1);
    int rc = ioctl(sock, SIOCGIFFLAGS, &ifr);
    if (rc == 0 && !(ifr.ifr_flags & IFF_UP)) {
        ifr.ifr_flags |= IFF_UP;
        rc = ioctl(sock, SIOCSIFFLAGS, &ifr);
    }
    int saved = errno;
    close(sock);
    errno = saved;
    return rc;
}

static const char *hint_for(int error)
{
    switch (error) {
    case EBUSY:
        return "another process has this interface open; end it or choose another name";
    case EPERM:
    case EACCES:
        return "run with CAP_NET_ADMIN, or have an administrator create it for this user";
    case ENOENT:
        return "load the kernel module: modprobe tun";
    default:
        return "";
    }
}

static int tap_open(const char *name, struct err *err)
{
    int fd = -1;
    if (port_ifname_final(name, err) < 0)
        return -1;

    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && attach(fd, name) == 0 && set_offload(fd) == 0 && set_up(name) == 0)
        return fd;

    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return err_errno(err, hint_for(saved), "cannot open TAP interface '%s'", name);
}

static ssize_t tap_read(struct port *port, void *buf, size_t cap)
{
    /* A TAP cuts an overlong frame silently: one byte of overhang tells. */
    char overhang;
    struct iovec iov[2] = {{buf, cap}, {&overhang, 1}};
    ssize_t n = readv(port->fd, iov, 2);

    return n > (ssize_t)cap ? PORT_READ_SKIP : n;
}

static int tap_write(struct port *port, const void *frame, size_t len)
{
    return write(port->fd, frame, len) < 0 ? -1 : 0;
}

const struct port_ops port_tap_ops = {"tap", port_ifname_check, tap_open, tap_read, tap_write};
