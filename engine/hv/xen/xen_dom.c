/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hv/xen/xen_impl.h"

#define LIST_STEP      128
#define REPLICA_PREFIX "remus-replica-"

void xen_replica_name(const struct uuid *uuid, char name[HV_NAME_MAX])
{
    char text[UUID_TEXT_LEN + 1];

    uuid_format(uuid, text);
    snprintf(name, HV_NAME_MAX, REPLICA_PREFIX "%s", text);
}

bool xen_dom_suspended(const xc_domaininfo_t *info)
{
    unsigned reason = (info->flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask;

    return (info->flags & XEN_DOMINF_shutdown) && reason == SHUTDOWN_suspend;
}

/*
 * Paused under a replica's name. One without a name is being built, by us or others: no VM yet. One
 * that runs was activated, even if its name still says otherwise.
 */
static bool is_replica(const struct xen_hv *x, const xc_domaininfo_t *info)
{
    char *name = xen_xs_read(x, "/local/domain/%u/name", info->domain);
    bool replica = !name || strncmp(name, REPLICA_PREFIX, strlen(REPLICA_PREFIX)) == 0;

    free(name);
    return replica && (info->flags & XEN_DOMINF_paused);
}

/* Calls `fn` for each guest that is not dying until it returns true. -1 with errno. */
typedef bool (*dom_fn)(const struct xen_hv *x, const xc_domaininfo_t *info, void *arg);

static int for_each(const struct xen_hv *x, dom_fn fn, void *arg)
{
    xc_domaininfo_t list[LIST_STEP];
    uint32_t from = 1;
    int n;

    while ((n = xc_domain_getinfolist(x->xch, from, LIST_STEP, list)) > 0) {
        for (int i = 0; i < n; i++) {
            if (!(list[i].flags & XEN_DOMINF_dying) && fn(x, &list[i], arg))
                return 0;
        }
        from = list[n - 1].domain + 1u;
    }
    return n;
}

struct search {
    const struct uuid *uuid;
    const char *name;
    enum xen_who who;
    int found;
    xc_domaininfo_t info;
};

static bool same_uuid(const struct xen_hv *x, const xc_domaininfo_t *info, void *arg)
{
    struct search *s = arg;

    if (memcmp(info->handle, s->uuid->byte, sizeof(s->uuid->byte)) != 0)
        return false;
    if (s->who != XEN_ANY && is_replica(x, info) != (s->who == XEN_REPLICAS))
        return false;
    s->info = *info;
    s->found = 1;
    return true;
}

static bool same_name(const struct xen_hv *x, const xc_domaininfo_t *info, void *arg)
{
    struct search *s = arg;
    char *name = xen_xs_read(x, "/local/domain/%u/name", info->domain);

    if (name && strcmp(name, s->name) == 0 && !is_replica(x, info)) {
        s->info = *info;
        s->found++;
    }
    free(name);
    return false;
}

int xen_dom_by_uuid(const struct xen_hv *x, const struct uuid *uuid, enum xen_who who,
                    xc_domaininfo_t *ret)
{
    struct search s = {.uuid = uuid, .who = who};

    if (for_each(x, same_uuid, &s) < 0)
        return -1;
    if (!s.found) {
        errno = ENOENT;
        return -1;
    }
    *ret = s.info;
    return 0;
}

int xen_dom_last(const struct xen_hv *x, uint32_t domid, const struct uuid *uuid,
                 xc_domaininfo_t *ret)
{
    /* Within each pause: a list of one would take a buffer more. Without the domain it is ESRCH, or
     * the next one. */
    struct xen_domctl ctl = {.cmd = XEN_DOMCTL_getdomaininfo, .domain = (domid_t)domid};

    if (xc_domctl(x->xch, &ctl))
        return -1;
    *ret = ctl.u.getdomaininfo;
    if (ret->domain == domid && memcmp(ret->handle, uuid->byte, sizeof(uuid->byte)) == 0)
        return 0;
    errno = ESRCH;
    return -1;
}

int xen_dom_info(const struct xen_hv *x, uint32_t domid, const struct uuid *uuid,
                 xc_domaininfo_t *ret)
{
    if (xen_dom_last(x, domid, uuid, ret))
        return -1;
    if (!(ret->flags & XEN_DOMINF_dying))
        return 0;
    errno = ESRCH;
    return -1;
}

int xen_dom_find(const struct xen_hv *x, const char *which, xc_domaininfo_t *ret, struct err *err)
{
    struct search s = {.name = which};
    struct uuid uuid;
    int rc;

    if (uuid_parse(which, &uuid) == 0) {
        s.uuid = &uuid;
        rc = for_each(x, same_uuid, &s);
    } else {
        rc = for_each(x, same_name, &s);
    }
    if (rc < 0)
        return err_errno(err, "", "cannot list the domains");
    if (s.found != 1) {
        errno = s.found ? EEXIST : ENOENT;
        return err_set(err, s.found ? "name it by its UUID" : "see xl list",
                       s.found ? "several VMs are called \"%.80s\"" : "there is no VM \"%.80s\"",
                       which);
    }
    *ret = s.info;
    return 0;
}

char *xen_xs_read(const struct xen_hv *x, const char *fmt, ...)
{
    char path[XEN_PATH_MAX];
    unsigned len;
    va_list args;

    va_start(args, fmt);
    vsnprintf(path, sizeof(path), fmt, args);
    va_end(args);
    return xs_read(x->xs, XBT_NULL, path, &len); /* the library adds a NUL */
}

bool xen_xs_any(const struct xen_hv *x, const char *fmt, ...)
{
    char path[XEN_PATH_MAX];
    unsigned n = 0;
    va_list args;

    va_start(args, fmt);
    vsnprintf(path, sizeof(path), fmt, args);
    va_end(args);
    char **entries = xs_directory(x->xs, XBT_NULL, path, &n);
    free(entries);
    return entries && n > 0;
}

int xen_xs_write(const struct xen_hv *x, const char *path, const char *value)
{
    return xs_write(x->xs, XBT_NULL, path, value, (unsigned)strlen(value)) ? 0 : -1;
}
