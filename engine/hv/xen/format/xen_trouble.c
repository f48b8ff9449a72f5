/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/xen/format/xen_trouble.h"

#include <errno.h>
#include <string.h>

static int no_rights(struct err *err)
{
    return err_set(err, "run as root", "no right to use Xen's interfaces (%s)", strerror(errno));
}

static int device(struct err *err)
{
    if (errno == EACCES || errno == EPERM)
        return no_rights(err);
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
        return err_set(err, "boot it with Xen, and run this in dom0",
                       "this host does not run Xen, or this is not its dom0: no /dev/xen/privcmd");
    return err_errno(err, "", "cannot open /dev/xen/privcmd");
}

/* The hypervisor says EACCES to whoever calls an interface of another release by its number. */
static int call(const char *built, const char *running, struct err *err)
{
    if (errno == EACCES)
        return err_set(err, "install the build for the Xen that runs; after an upgrade: reboot",
                       "this program was built for Xen %s, and Xen %s runs here", built,
                       running[0] ? running : "of another release");
    if (errno == EPERM)
        return err_set(err, "run it in dom0", "this domain may not control the others");
    return err_errno(err, "", "cannot ask the hypervisor");
}

int xen_trouble(enum xen_step step, int error, const char *built, const char *running,
                struct err *err)
{
    errno = error;
    switch (step) {
    case XEN_STEP_DEVICE:
        return device(err);
    case XEN_STEP_XENSTORE:
        return error == EACCES || error == EPERM
                   ? no_rights(err)
                   : err_errno(err, "start xenstored (Debian: service xen)",
                               "xenstore does not answer");
    case XEN_STEP_CALL:
        return call(built, running, err);
    case XEN_STEP_LIBRARY:
        break;
    }
    return err_errno(err, "see the lines above", "Xen's libraries cannot be used");
}
