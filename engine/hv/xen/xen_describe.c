/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hv/xen/format/xen_desc.h"
#include "engine/hv/xen/xen_vm.h"

struct policy {
    xen_cpuid_leaf_t *leaf;
    xen_msr_entry_t *msr;
    uint32_t leaves, msrs;
};

static int read_policy(const struct xen_vm *v, struct policy *p, xc_cpu_policy_t *policy)
{
    xc_interface *xch = v->x->xch;

    if (!policy || xc_cpu_policy_get_size(xch, &p->leaves, &p->msrs) ||
        xc_cpu_policy_get_domain(xch, v->domid, policy))
        return -1;
    p->leaf = calloc(p->leaves, sizeof(*p->leaf));
    p->msr = calloc(p->msrs, sizeof(*p->msr));
    if (!p->leaf || !p->msr)
        return -1;
    return xc_cpu_policy_serialise(xch, policy, p->leaf, &p->leaves, p->msr, &p->msrs);
}

static char *read_config(struct xen_vm *v)
{
    libxl_domain_config config;
    char *json = NULL;

    libxl_domain_config_init(&config);
    if (libxl_retrieve_domain_configuration(v->x->ctx, v->domid, &config, NULL) == 0) {
        v->on_crash = config.on_crash;
        v->on_watchdog = config.on_watchdog;
        json = libxl_domain_config_to_json(v->x->ctx, &config);
    }
    libxl_domain_config_dispose(&config);
    return json;
}

static size_t put_ranges(const struct bitmap *ram, struct xen_buf *b)
{
    size_t count = 0;

    for (uint64_t at = 0; at < ram->nbits; at++) {
        uint64_t first = at;
        while (at < ram->nbits && bitmap_test(ram, at))
            at++;
        if (at == first)
            continue;
        xen_desc_put_range(b, first, at - first);
        count++;
    }
    return count;
}

static int pack(const struct xen_vm *v, const struct policy *p, const char *config,
                struct xen_buf *out)
{
    struct xen_buf ranges;
    int version = xc_version(v->x->xch, XENVER_version, NULL);

    if (version < 0)
        return -1;
    xen_buf_init(&ranges);
    struct xen_desc d = {.pages = v->mem.pages,
                         .xen_major = (uint32_t)version >> 16,
                         .xen_minor = (uint32_t)version & 0xffff,
                         .config = config,
                         .cpuid = (const uint8_t *)p->leaf,
                         .cpuid_len = p->leaves * sizeof(*p->leaf),
                         .msr = (const uint8_t *)p->msr,
                         .msr_len = p->msrs * sizeof(*p->msr)};
    d.range_count = put_ranges(&v->mem.ram, &ranges);
    d.ranges = ranges.data;
    if (!ranges.failed)
        xen_desc_pack(&d, out);
    bool failed = ranges.failed || out->failed;
    xen_buf_free(&ranges);
    errno = ENOBUFS;
    return failed ? -1 : 0;
}

int xen_describe(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len, struct err *err)
{
    struct xen_vm *v = xen_vm_of(vm);
    xc_cpu_policy_t *policy = xc_cpu_policy_init();
    xen_fitness_described(v);
    char *config = read_config(v);
    struct policy p = {0};
    struct xen_buf out;
    int rc = -1;

    xen_buf_fixed(&out, buf, cap);
    if (!config) {
        errno = EIO;
        (void)err_set(err, "see the log", "libxl does not tell the configuration of domain %u",
                      v->domid);
    } else if (read_policy(v, &p, policy)) {
        (void)err_errno(err, "", "CPU policy of domain %u", v->domid);
    } else if (pack(v, &p, config, &out)) {
        (void)err_errno(err, "", "description of domain %u", v->domid);
    } else {
        rc = 0;
    }
    *ret_len = out.len;
    int saved = errno;
    free(p.leaf);
    free(p.msr);
    free(config);
    if (policy)
        xc_cpu_policy_destroy(policy);
    errno = saved;
    return rc;
}
