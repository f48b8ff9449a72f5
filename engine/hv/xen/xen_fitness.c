/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hv/xen/xen_vm.h"

/*
 * Devices that come and go while a VM is protected (xl block-attach, network-attach, pci-attach):
 * the replica has those of the description.
 */
#define REVIEW_MS 1000

void xen_fitness_described(struct xen_vm *v)
{
    free(v->fitness.described);
    v->fitness.described = xen_devices(v->x, v->domid);
    v->fitness.changed = true;
}

static void look(struct xen_vm *v)
{
    struct xen_fitness *f = &v->fitness;

    f->why[0] = '\0';
    if (xen_refuse_devices(v->x, v->domid, f->why) || !f->described)
        return;
    char *now = xen_devices(v->x, v->domid);
    if (now && strcmp(now, f->described) != 0)
        snprintf(
            f->why, sizeof(f->why),
            "its devices have changed since it was protected: unprotect it and protect it again");
    free(now);
}

void xen_fitness_review(struct xen_vm *v)
{
    struct xen_fitness *f = &v->fitness;

    if (!f->changed || mono_sub(mono_now(), f->looked) < REVIEW_MS * NS_PER_MS)
        return;
    f->changed = false;
    f->looked = mono_now();
    look(v);
}

void xen_fitness_close(struct xen_vm *v)
{
    free(v->fitness.described);
}

const char *xen_unfit(struct hv_vm *vm)
{
    return xen_vm_of(vm)->fitness.why;
}
