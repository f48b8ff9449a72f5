/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hold_cpu DOMID VCPU on|off: Xen gives this one CPU of a guest no processor until it is off again,
 * as may happen for a while where others need the processor. To Xen the CPU is not online then
 * (VGCF_online of XEN_DOMCTL_setvcpucontext); its registers are written as they were read, but for
 * the upper halves of vector registers. Exits with 2 for trouble.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

static int set_online(xc_interface *xch, uint32_t domid, uint32_t vcpu, bool online)
{
    vcpu_guest_context_any_t context;

    if (xc_vcpu_getcontext(xch, domid, vcpu, &context))
        return -1;
    if (online)
        context.x64.flags |= VGCF_online;
    else
        context.x64.flags &= ~(unsigned long)VGCF_online;
    return xc_vcpu_setcontext(xch, domid, vcpu, &context);
}

int main(int argc, char **argv)
{
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);

    if (argc != 4 || !xch) {
        fprintf(stderr, "usage: hold_cpu DOMID VCPU on|off; as root in dom0\n");
        return 2;
    }
    uint32_t domid = (uint32_t)atoi(argv[1]), vcpu = (uint32_t)atoi(argv[2]);
    int rc = xc_domain_pause(xch, domid);
    if (!rc)
        rc = set_online(xch, domid, vcpu, strcmp(argv[3], "on") != 0);
    if (rc)
        perror("hold_cpu");
    rc |= xc_domain_unpause(xch, domid);
    return rc ? 2 : 0;
}
