/* SPDX-License-Identifier: GPL-2.0-or-later */
/* logdirty_off DOMID: what a careless tool does, it ends the domain's dirty log whoever uses it. */
#include <stdio.h>
#include <stdlib.h>

#include <xenctrl.h>

int main(int argc, char **argv)
{
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);

    if (argc != 2 || !xch)
        return 2;
    if (xc_shadow_control(xch, (uint32_t)atoi(argv[1]), XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0) < 0) {
        perror("dirty log not switched off");
        return 1;
    }
    xc_interface_close(xch);
    return 0;
}
