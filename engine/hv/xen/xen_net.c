/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/hv/xen/xen_hotplug.h"
#include "engine/hv/xen/xen_impl.h"
#include "engine/net/bridge.h"
#include "engine/net/port.h"

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

bool xen_vif_bridge(const struct xen_hv *x, const struct xen_vif *vif, char bridge[IFNAMSIZ])
{
    static const char *const keys[] = {XEN_KEY_BRIDGE, "bridge"};

    if (bridge_of(vif->name, bridge) && strcmp(bridge, XEN_HOLD_BRIDGE) != 0)
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
    char bridge[IFNAMSIZ], path[XEN_PATH_MAX + 16];

    if (bridge_make(XEN_HOLD_BRIDGE, err))
        return -1;
    if (xen_vif_bridge(x, vif, bridge)) {
        snprintf(path, sizeof(path), "%s/" XEN_KEY_BRIDGE, vif->backend);
        if (xen_xs_write(x, path, bridge))
            return err_errno(err, "", "xenstore");
    }
    int fd = open_socket(vif->name, err);
    if (fd < 0)
        return -1;
    if (bridge_move(vif->name, XEN_HOLD_BRIDGE, err)) {
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
        return bridge_move(vif->name, bridge, err);
    errno = ENOENT;
    return err_set(err, "put it onto its bridge by hand", "nothing tells the bridge of %s",
                   vif->name);
}

int xen_vif_lead(const char *spec, char bridge[IFNAMSIZ], struct err *err)
{
    const char *colon = strchr(spec, ':');

    if (colon && bridge_is(colon + 1) && strlen(colon + 1) < IFNAMSIZ) {
        snprintf(bridge, IFNAMSIZ, "%.15s", colon + 1);
        return 0;
    }
    if (colon && bridge_of(colon + 1, bridge))
        return 0;
    errno = EINVAL;
    return err_set(err, "give a bridge, or an interface that is on one",
                   "no bridge leads to port %.100s", spec);
}
