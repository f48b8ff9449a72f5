/* SPDX-License-Identifier: GPL-2.0-or-later */
/* logdirty on|off DOMID: what other tools do to the domain's dirty log; off, a careless one that
 * asks nobody. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>

int main(int argc, char **argv)
{
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);

    if (argc != 3 || !xch)
        return 2;
    unsigned op = strcmp(argv[1], "on") == 0 ? XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY
                                             : XEN_DOMCTL_SHADOW_OP_OFF;
    if (xc_shadow_control(xch, (uint32_t)atoi(argv[2]), op, NULL, 0) < 0) {
        perror("dirty log");
        return 1;
    }
    xc_interface_close(xch);
    return 0;
}
