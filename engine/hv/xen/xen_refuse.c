/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hv/xen/xen_impl.h"

static bool PRINTF_LIKE(2, 3) because(char *why, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(why, ERR_TEXT_MAX, fmt, args);
    va_end(args);
    return true;
}

static bool wrong_type(const xc_domaininfo_t *info, char *why)
{
    if (!(info->flags & XEN_DOMINF_hvm_guest))
        return because(why, "it is a PV guest; only PVH guests are supported (type=\"pvh\")");
    if (info->arch_config.emulation_flags != XEN_X86_EMU_LAPIC)
        return because(why, "it is an HVM guest; only PVH guests are supported (type=\"pvh\")");
    if (!(info->flags & XEN_DOMINF_hap))
        return because(why, "it runs without hardware-assisted paging");
    return false;
}

static bool wrong_now(const xc_domaininfo_t *info, char *why)
{
    if ((info->flags & XEN_DOMINF_shutdown) && !xen_dom_suspended(info))
        return because(why, "it is shut down");
    if (info->flags & XEN_DOMINF_paused)
        return because(why, "it is paused: unpause it first");
    return false;
}

/* libxl's own list of the domain's devices. */
static bool device_of_kind(const struct xen_hv *x, uint32_t domid, const char *kind, char *why)
{
    struct xen_vif vif;

    if (strcmp(kind, "console") == 0 || strcmp(kind, "vbd") == 0)
        return false;
    if (strcmp(kind, "vif") == 0)
        return xen_vif_find(x, domid, &vif) > 1 &&
               because(why, "it has several network interfaces; one is supported");
    if (strcmp(kind, "pci") == 0)
        return because(why, "a PCI device is passed through to it");
    return because(why, "it has a device of kind \"%.40s\"", kind);
}

static bool wrong_device(const struct xen_hv *x, uint32_t domid, char *why)
{
    char path[XEN_PATH_MAX];
    unsigned n = 0;
    bool wrong = false;

    snprintf(path, sizeof(path), "/libxl/%u/device", domid);
    char **kinds = xs_directory(x->xs, XBT_NULL, path, &n);
    for (unsigned i = 0; kinds && i < n && !wrong; i++) {
        if (xen_xs_any(x, "/libxl/%u/device/%s", domid, kinds[i]))
            wrong = device_of_kind(x, domid, kinds[i], why);
    }
    free(kinds);
    return wrong;
}

static bool writable_disk(const struct xen_hv *x, uint32_t domid, char *why)
{
    char path[XEN_PATH_MAX];
    unsigned n = 0;
    bool wrong = false;

    snprintf(path, sizeof(path), "/libxl/%u/device/vbd", domid);
    char **disks = xs_directory(x->xs, XBT_NULL, path, &n);
    for (unsigned i = 0; disks && i < n && !wrong; i++) {
        char *backend = xen_xs_read(x, "%s/%s/backend", path, disks[i]);
        char *mode = backend ? xen_xs_read(x, "%s/mode", backend) : NULL;
        if (!mode || strcmp(mode, "r") != 0)
            wrong = because(why, "it has a writable disk, which would not be replicated");
        free(mode);
        free(backend);
    }
    free(disks);
    return wrong;
}

/* Pages that a balloon adds are written without a mark in the dirty log. */
static bool balloon_room(const struct xen_hv *x, uint32_t domid, char *why)
{
    char *max = xen_xs_read(x, "/local/domain/%u/memory/static-max", domid);
    char *now = xen_xs_read(x, "/local/domain/%u/memory/target", domid);
    bool wrong = false;

    if (!max || !now)
        wrong = because(why, "its memory sizes are not in xenstore");
    else if (strtoull(max, NULL, 10) != strtoull(now, NULL, 10))
        wrong = because(why, "it can balloon: make maxmem equal to memory (%.20s KiB, now %.20s)",
                        max, now);
    free(max);
    free(now);
    return wrong;
}

bool xen_refuse_devices(const struct xen_hv *x, uint32_t domid, char *why)
{
    return wrong_device(x, domid, why) || writable_disk(x, domid, why);
}

static void put_devices(const struct xen_hv *x, uint32_t domid, const char *kind, FILE *to)
{
    char path[XEN_PATH_MAX];
    unsigned n = 0;

    snprintf(path, sizeof(path), "/libxl/%u/device/%s", domid, kind);
    char **names = xs_directory(x->xs, XBT_NULL, path, &n);
    for (unsigned i = 0; names && i < n; i++)
        fprintf(to, "%s/%s ", kind, names[i]);
    free(names);
}

char *xen_devices(const struct xen_hv *x, uint32_t domid)
{
    char path[XEN_PATH_MAX], *text = NULL;
    size_t len;
    unsigned n = 0;
    FILE *to = open_memstream(&text, &len);

    if (!to)
        return NULL;
    snprintf(path, sizeof(path), "/libxl/%u/device", domid);
    char **kinds = xs_directory(x->xs, XBT_NULL, path, &n);
    for (unsigned i = 0; kinds && i < n; i++)
        put_devices(x, domid, kinds[i], to);
    free(kinds);
    return fclose(to) == 0 ? text : NULL;
}

/* One of the two ways to stop it with its own help. */
static bool no_suspend(const struct xen_hv *x, uint32_t domid, char *why)
{
    char *feature = xen_xs_read(x, "/local/domain/%u/control/feature-suspend", domid);
    char *port = xen_xs_read(x, "/local/domain/%u/device/suspend/event-channel", domid);
    bool can = (feature && strcmp(feature, "1") == 0) || (port && *port);

    free(feature);
    free(port);
    return !can && because(why, "its kernel does not offer to suspend (or has not booted yet)");
}

/* One that saves it or sends it away. */
static bool another_tool(const struct xen_hv *x, const xc_domaininfo_t *info, char *why)
{
    if (xen_log_ours(x, info->domain))
        return false;
    if (xen_dom_suspended(info))
        return because(why, "another tool has suspended it: wait until xl save or xl migrate of it "
                            "is done");
    return xen_log_is_on(x, info->domain) &&
           because(why, "another tool has its dirty log on: wait until xl migrate or xl remus of "
                        "it is done");
}

void xen_refuse(const struct xen_hv *x, const xc_domaininfo_t *info, char *why)
{
    uint32_t domid = info->domain;

    if (wrong_type(info, why) || wrong_now(info, why) || xen_refuse_devices(x, domid, why) ||
        balloon_room(x, domid, why) || no_suspend(x, domid, why) || another_tool(x, info, why))
        return;
    why[0] = '\0';
}
