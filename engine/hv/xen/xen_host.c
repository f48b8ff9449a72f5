/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/xen/xen_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STEP           1024
#define SUPER_ORDER    9 /* 2 MiB: what hardware maps by one entry */
#define SUPER_PAGES    (1ull << SUPER_ORDER)
#define OVERHEAD_PAGES 4096 /* page tables, dirty log, the domain itself */

static int check_memory(const struct xen_hv *x, const struct xen_desc *desc, struct err *err)
{
    xc_physinfo_t info = {0};
    uint64_t need = xen_desc_memory(desc) + OVERHEAD_PAGES;

    if (xc_physinfo(x->xch, &info))
        return err_errno(err, "", "memory of this host");
    if (info.free_pages >= need)
        return 0;
    errno = ENOMEM;
    return err_set(err, "free memory there, or give its dom0 less (dom0_mem)",
                   "the VM needs %llu MiB, Xen has %llu MiB free", (unsigned long long)(need >> 8),
                   (unsigned long long)(info.free_pages >> 8));
}

/* Xen's own script needs the bridge; with another one nobody knows what it needs. */
static int check_bridge(const libxl_domain_config *config, struct err *err)
{
    for (int i = 0; i < config->num_nics; i++) {
        const libxl_device_nic *nic = &config->nics[i];
        bool stock = !nic->script || strstr(nic->script, "vif-bridge");
        if (!stock || !nic->bridge || if_nametoindex(nic->bridge))
            continue;
        errno = ENOENT;
        return err_set(err, "make it, or name the guest's bridge alike on both hosts",
                       "there is no bridge %.40s here", nic->bridge);
    }
    return 0;
}

static int check_config(libxl_domain_config *config, struct uuid *ret_uuid,
                        char ret_name[HV_NAME_MAX], struct err *err)
{
    if (config->c_info.type != LIBXL_DOMAIN_TYPE_PVH || !config->c_info.name ||
        strlen(config->c_info.name) >= HV_NAME_MAX) {
        errno = EINVAL;
        return err_set(err, "", "the VM is no PVH guest, or its name is no name");
    }
    memcpy(ret_uuid->byte, libxl_uuid_bytearray(&config->c_info.uuid), sizeof(ret_uuid->byte));
    snprintf(ret_name, HV_NAME_MAX, "%s", config->c_info.name);
    return check_bridge(config, err);
}

int xen_host_check(const struct xen_hv *x, const struct xen_desc *desc, struct uuid *ret_uuid,
                   char ret_name[HV_NAME_MAX], struct err *err)
{
    libxl_domain_config config;
    int rc;

    libxl_domain_config_init(&config);
    if (libxl_domain_config_from_json(x->ctx, &config, desc->config)) {
        errno = EINVAL;
        rc = err_set(err, "both hosts need the same version of Xen",
                     "libxl does not understand the VM's configuration");
    } else {
        rc = check_config(&config, ret_uuid, ret_name, err);
    }
    int saved = errno;
    libxl_domain_config_dispose(&config);
    errno = saved;
    return rc || check_memory(x, desc, err) || xen_host_check_cpu(x, desc, err) ? -1 : 0;
}

/* `n` extents of 2^order pages each. */
static int populate(const struct xen_hv *x, uint32_t domid, uint64_t first, size_t n,
                    unsigned order)
{
    xen_pfn_t pfn[STEP];

    for (size_t i = 0; i < n; i++)
        pfn[i] = first + ((uint64_t)i << order);
    return xc_domain_populate_physmap_exact(x->xch, domid, n, order, 0, pfn);
}

int xen_host_populate(const struct xen_hv *x, uint32_t domid, uint64_t first, uint64_t count,
                      struct err *err)
{
    while (count) {
        uint64_t n = first % SUPER_PAGES == 0 && count >= SUPER_PAGES
                         ? SUPER_PAGES
                         : SUPER_PAGES - first % SUPER_PAGES;
        if (n > count)
            n = count;
        if ((n < SUPER_PAGES || populate(x, domid, first, 1, SUPER_ORDER)) &&
            populate(x, domid, first, n, 0))
            return err_errno(err, "free memory on this host", "no memory for domain %u", domid);
        first += n;
        count -= n;
    }
    return 0;
}
