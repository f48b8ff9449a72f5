/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/net/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/log.h"

bool bridge_of(const char *name, char bridge[IFNAMSIZ])
{
    char path[64], target[256];

    snprintf(path, sizeof(path), "/sys/class/net/%.16s/master", name);
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n < 0)
        return false;
    target[n] = '\0';
    snprintf(bridge, IFNAMSIZ, "%.15s", basename(target));
    return true;
}

bool bridge_is(const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/sys/class/net/%.16s/bridge", name);
    return access(path, F_OK) == 0;
}

static int call(unsigned long request, void *arg)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int rc = ioctl(fd, request, arg), saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

static void name_it(struct ifreq *req, const char *name)
{
    snprintf(req->ifr_name, sizeof(req->ifr_name), "%s", name);
}

int bridge_make(const char *name, struct err *err)
{
    char copy[IFNAMSIZ];

    snprintf(copy, sizeof(copy), "%s", name);
    if (call(SIOCBRADDBR, copy) && errno != EEXIST)
        return err_errno(err, "load the kernel module bridge", "cannot make bridge %s", name);
    return 0;
}

static int member(unsigned long request, const char *bridge, const char *name)
{
    struct ifreq req = {0};

    name_it(&req, bridge);
    req.ifr_ifindex = (int)if_nametoindex(name);
    return req.ifr_ifindex == 0 ? -1 : call(request, &req);
}

int bridge_move(const char *name, const char *bridge, struct err *err)
{
    char now[IFNAMSIZ];
    bool had = bridge_of(name, now);

    if (had && strcmp(now, bridge) == 0)
        return 0;
    if (had && member(SIOCBRDELIF, now, name))
        return err_errno(err, "", "cannot take %s off bridge %s", name, now);
    if (member(SIOCBRADDIF, bridge, name) == 0)
        return 0;
    int saved = errno;
    if (had && member(SIOCBRADDIF, now, name))
        log_warn("%s is on no bridge now: it was on %s", name, now);
    errno = saved;
    return err_errno(err, "see ip link", "cannot put %s onto bridge %s", name, bridge);
}

/* Without IPv6 there is nothing to switch off. */
static void no_ip6(const char *name)
{
    char path[96];

    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%.15s/disable_ipv6", name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, "1", 1);
    close(fd);
}

static int set_flags(const char *name, short on, short off)
{
    struct ifreq req = {0};

    name_it(&req, name);
    if (call(SIOCGIFFLAGS, &req))
        return -1;
    req.ifr_flags = (short)((req.ifr_flags | on) & ~off);
    return call(SIOCSIFFLAGS, &req);
}

static int copy_mtu(const char *name, const char *bridge)
{
    struct ifreq req = {0};

    name_it(&req, bridge);
    if (call(SIOCGIFMTU, &req))
        return -1;
    name_it(&req, name);
    return call(SIOCSIFMTU, &req);
}

int bridge_port_up(const char *name, const char *bridge, struct err *err)
{
    no_ip6(name);
    if (copy_mtu(name, bridge))
        return err_errno(err, "see ip link", "bridge %s has no MTU for %s", bridge, name);
    if (bridge_move(name, bridge, err))
        return -1;
    if (set_flags(name, IFF_UP | IFF_NOARP, IFF_MULTICAST))
        return err_errno(err, "", "cannot set %s up", name);
    return 0;
}

int bridge_port_rename(const char *name, const char *to, struct err *err)
{
    struct ifreq req = {0};

    if (if_nametoindex(name) == 0 && if_nametoindex(to))
        return 0; /* by an earlier call */
    name_it(&req, name);
    snprintf(req.ifr_newname, sizeof(req.ifr_newname), "%s", to);
    if (call(SIOCSIFNAME, &req) == 0)
        return 0;
    return err_errno(err, "", "cannot call %s %s", name, to);
}

int bridge_port_down(const char *name, struct err *err)
{
    char now[IFNAMSIZ];

    if (if_nametoindex(name) == 0)
        return 0;
    if (bridge_of(name, now) && member(SIOCBRDELIF, now, name) && errno != ENODEV)
        return err_errno(err, "", "cannot take %s off bridge %s", name, now);
    if (set_flags(name, 0, IFF_UP) && errno != ENODEV)
        return err_errno(err, "", "cannot set %s down", name);
    return 0;
}
