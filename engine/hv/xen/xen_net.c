/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/sockios.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/hv/xen/xen_impl.h"
#include "engine/net/port.h"

/*
 * A bridge that is never up. What a member receives goes to packet sockets and no further, so dom0
 * neither sees nor answers a frame of a guest whose interface was taken.
 */
#define HOLD_BRIDGE "remus-hold"

#define REMEMBERED "remus-bridge"

unsigned xen_vif_find(const struct xen_hv *x, uint32_t domid, struct xen_vif *ret)
{
    char path[XEN_PATH_MAX];
    unsigned n = 0;

    *ret = (struct xen_vif){0};
    snprintf(path, sizeof(path), "/libxl/%u/device/vif", domid);
    char **vifs = xs_directory(x->xs, XBT_NULL, path, &n);
    if (vifs && n > 0) {
        char *backend = xen_xs_read(x, "%s/%s/backend", path, vifs[0]);
        char *name = backend ? xen_xs_read(x, "%s/vifname", backend) : NULL;
        snprintf(ret->backend, sizeof(ret->backend), "%s", backend ? backend : "");
        if (name)
            snprintf(ret->name, sizeof(ret->name), "%s", name);
        else
            snprintf(ret->name, sizeof(ret->name), "vif%u.%.4s", domid, vifs[0]);
        free(name);
        free(backend);
    }
    free(vifs);
    return n;
}

/* The bridge that interface `name` is a member of now. */
static bool master_of(const char *name, char bridge[IFNAMSIZ])
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

bool xen_vif_bridge(const struct xen_hv *x, const struct xen_vif *vif, char bridge[IFNAMSIZ])
{
    static const char *const keys[] = {REMEMBERED, "bridge"};

    if (master_of(vif->name, bridge) && strcmp(bridge, HOLD_BRIDGE) != 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char *value = xen_xs_read(x, "%s/%s", vif->backend, keys[i]);
        bool found = value && *value && strlen(value) < IFNAMSIZ;
        if (found)
            snprintf(bridge, IFNAMSIZ, "%.15s", value);
        free(value);
        if (found)
            return true;
    }
    return false;
}

void xen_vif_mac(const struct xen_hv *x, const struct xen_vif *vif, uint8_t mac[6])
{
    char *text = vif->name[0] ? xen_xs_read(x, "%s/mac", vif->backend) : NULL;
    struct ether_addr found;

    memset(mac, 0, 6);
    if (text && ether_aton_r(text, &found) && !(found.ether_addr_octet[0] & 1))
        memcpy(mac, found.ether_addr_octet, 6);
    free(text);
}

static int bridge_call(unsigned long request, void *arg)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int rc = ioctl(fd, request, arg), saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

static int member(unsigned long request, const char *bridge, const char *name)
{
    struct ifreq req = {0};

    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", bridge);
    req.ifr_ifindex = (int)if_nametoindex(name);
    if (req.ifr_ifindex == 0)
        return -1;
    return bridge_call(request, &req);
}

/* From whatever bridge it is on to `bridge`. */
static int move_to(const char *name, const char *bridge, struct err *err)
{
    char now[IFNAMSIZ];

    if (master_of(name, now)) {
        if (strcmp(now, bridge) == 0)
            return 0;
        if (member(SIOCBRDELIF, now, name))
            return err_errno(err, "", "cannot take %s off bridge %s", name, now);
    }
    if (member(SIOCBRADDIF, bridge, name) == 0)
        return 0;
    return err_errno(err, "see ip link", "cannot put %s onto bridge %s", name, bridge);
}

/* The descriptor of a port alone: the socket keeps all that port_open has set. */
static int open_socket(const char *name, struct err *err)
{
    char spec[IFNAMSIZ + 8];

    snprintf(spec, sizeof(spec), "packet:%s", name);
    struct port *port = port_open(spec, err);
    if (!port)
        return -1;
    int fd = fcntl(port_fd(port), F_DUPFD_CLOEXEC, 0), saved = errno;
    port_close(port);
    errno = saved;
    return fd < 0 ? err_errno(err, "", "interface %s", name) : fd;
}

int xen_vif_take(const struct xen_hv *x, const struct xen_vif *vif, int *ret_fd, struct err *err)
{
    char hold[IFNAMSIZ] = HOLD_BRIDGE, bridge[IFNAMSIZ], path[XEN_PATH_MAX + 16];

    if (bridge_call(SIOCBRADDBR, hold) && errno != EEXIST)
        return err_errno(err, "load the kernel module bridge", "cannot make bridge %s", hold);
    if (xen_vif_bridge(x, vif, bridge)) {
        snprintf(path, sizeof(path), "%s/" REMEMBERED, vif->backend);
        if (xen_xs_write(x, path, bridge))
            return err_errno(err, "", "xenstore");
    }
    int fd = open_socket(vif->name, err);
    if (fd < 0)
        return -1;
    if (move_to(vif->name, HOLD_BRIDGE, err)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    *ret_fd = fd;
    return 0;
}

int xen_vif_give(const struct xen_hv *x, const struct xen_vif *vif, struct err *err)
{
    char bridge[IFNAMSIZ];

    if (xen_vif_bridge(x, vif, bridge))
        return move_to(vif->name, bridge, err);
    errno = ENOENT;
    return err_set(err, "put it onto its bridge by hand", "nothing tells the bridge of %s",
                   vif->name);
}

static bool is_bridge(const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/sys/class/net/%.16s/bridge", name);
    return access(path, F_OK) == 0;
}

int xen_vif_join(const struct xen_vif *vif, const char *spec, struct err *err)
{
    const char *colon = strchr(spec, ':');
    char bridge[IFNAMSIZ];

    if (colon && is_bridge(colon + 1))
        return move_to(vif->name, colon + 1, err);
    if (colon && master_of(colon + 1, bridge))
        return move_to(vif->name, bridge, err);
    errno = EINVAL;
    return err_set(err, "give a bridge, or an interface that is on one",
                   "no bridge leads to port %.100s", spec);
}
