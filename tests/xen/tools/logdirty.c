/* SPDX-License-Identifier: GPL-2.0-or-later */
/* logdirty on|off|take DOMID: what other tools do to the domain's dirty log; off, a careless one
 * that asks nobody; take, xl migrate and xl remus that find a log on. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>

static int control(xc_interface *xch, const char *domid, unsigned op)
{
    return xc_shadow_control(xch, (uint32_t)atoi(domid), op, NULL, 0);
}

int main(int argc, char **argv)
{
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);

    if (argc != 3 || !xch)
        return 2;
    bool on = strcmp(argv[1], "off") != 0, off = strcmp(argv[1], "on") != 0;
    if ((off && control(xch, argv[2], XEN_DOMCTL_SHADOW_OP_OFF) < 0) ||
        (on && control(xch, argv[2], XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY) < 0)) {
        perror("dirty log");
        return 1;
    }
    xc_interface_close(xch);
    return 0;
}
