/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/xen/xen_vm.h"

/*
 * A guest that suspends when nobody looks after it any more stays suspended. What it was asked by
 * its channel ends with that; a kernel that has taken a request cannot be told to forget it.
 */
bool xen_settled(struct hv_vm *vm)
{
    struct xen_vm *v = xen_vm_of(vm);
    struct xen_suspend *s = &v->suspend;

    if (!xen_suspend_late(v) || xen_suspend_look(v) == XEN_GONE)
        return true;
    if (s->now.driver)
        xen_suspend_hang_up(v);
    else if (xen_suspend_take_back(v))
        s->late = false;
    return !s->late;
}
