/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/net/port.h"

#include <errno.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/net/port_impl.h"

/* Bad frames thrown away in one port_read before the caller's event loop gets its turn. */
#define SKIP_MAX 64

static const struct port_ops *const kinds[] = {&port_tap_ops, &port_packet_ops, &port_switch_ops,
                                               &port_none_ops};

int port_ifname_check(const char *name, struct err *err)
{
    size_t len = strlen(name);

    if (len > 0 && len < IFNAMSIZ && !strpbrk(name, "/: \t\n\v\f\r") && strcmp(name, ".") != 0 &&
        strcmp(name, "..") != 0)
        return 0;
    errno = EINVAL;
    return err_set(err, "give a name of 1 to 15 characters without '/', ':' and spaces",
                   "'%s' is no interface name", name);
}

int port_ifname_final(const char *name, struct err *err)
{
    if (port_ifname_check(name, err) < 0)
        return -1;
    if (!strchr(name, '%'))
        return 0;
    errno = EINVAL;
    return err_set(err, "put the number in its place", "interface name '%s' is a pattern", name);
}

/** The kind and the part behind ':', or NULL with `err`. */
static const struct port_ops *parse(const char *spec, const char **rest, struct err *err)
{
    size_t scheme = strcspn(spec, ":");

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strlen(kinds[i]->scheme) != scheme || memcmp(kinds[i]->scheme, spec, scheme) != 0)
            continue;
        *rest = spec[scheme] ? spec + scheme + 1 : "";
        return kinds[i]->check(*rest, err) < 0 ? NULL : kinds[i];
    }
    errno = EINVAL;
    err_set(err, "use tap:NAME, packet:NAME, switch:PATH or none", "'%s' is no network port", spec);
    return NULL;
}

int port_spec_check(const char *spec, struct err *err)
{
    const char *rest;

    return parse(spec, &rest, err) ? 0 : -1;
}

static struct port *wrap(const struct port_ops *ops, int fd, const char *name)
{
    struct port *port = calloc(1, sizeof(*port));
    if (!port)
        return NULL;

    port->ops = ops;
    port->fd = fd;
    port->name = strdup(name);
    if (port->name)
        return port;
    free(port);
    return NULL;
}

struct port *port_open(const char *spec, struct err *err)
{
    const char *rest;
    const struct port_ops *ops = parse(spec, &rest, err);
    if (!ops)
        return NULL;

    int fd = ops->open(rest, err);
    if (fd < 0 && ops != &port_none_ops)
        return NULL;
    struct port *port = wrap(ops, fd, spec);
    if (port)
        return port;
    err_errno(err, "", "cannot open port '%s'", spec);
    if (fd >= 0)
        close(fd);
    return NULL;
}

static const struct port_ops *kind_of_fd(int fd)
{
    int domain;
    socklen_t len = sizeof(domain);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
        return errno == ENOTSOCK ? &port_tap_ops : NULL;
    if (domain == AF_PACKET)
        return &port_packet_ops;
    if (domain == AF_UNIX)
        return &port_switch_ops;
    errno = EINVAL;
    return NULL;
}

struct port *port_from_fd(int fd, const char *name)
{
    const struct port_ops *ops = kind_of_fd(fd);
    if (!ops)
        return NULL;

    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return NULL;
    return wrap(ops, fd, name);
}

void port_close(struct port *port)
{
    if (!port)
        return;
    if (port->fd >= 0)
        close(port->fd);
    free(port->name);
    free(port);
}

int port_fd(const struct port *port)
{
    return port->fd;
}

const char *port_name(const struct port *port)
{
    return port->name;
}

uint64_t port_dropped(const struct port *port)
{
    return port->dropped;
}

/** The many ways the kernel says "full", "gone" and "down", made three. */
static int plain_errno(int error)
{
    switch (error) {
    case ENOBUFS:
    case ENOMEM:
    case EINTR:
        return EAGAIN;
    case ECONNRESET:
    case ECONNREFUSED:
    case ENOTCONN:
    case EBADFD:
    case ENXIO:
    case ENODEV:
        return EPIPE;
    case EIO: /* a TAP interface that is not up */
        return ENETDOWN;
    default:
        return error;
    }
}

ssize_t port_read(struct port *port, void *buf, size_t cap)
{
    for (int i = 0; i < SKIP_MAX; i++) {
        ssize_t n = port->ops->read(port, buf, cap);
        if (n >= PORT_VNET_LEN + ETH_HLEN)
            return n;
        if (n == -1) {
            errno = plain_errno(errno);
            return errno == EAGAIN ? 0 : -1;
        }
        port->dropped++;
    }
    return 0;
}

int port_write(struct port *port, const void *frame, size_t len)
{
    if (len < PORT_VNET_LEN + ETH_HLEN) {
        errno = EINVAL;
        return -1;
    }
    if (port->ops->write(port, frame, len) == 0)
        return 0;
    errno = plain_errno(errno);
    return -1;
}
