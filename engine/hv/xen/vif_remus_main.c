/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"
#include "engine/hv/xen/xen_compat.h"
#include "engine/hv/xen/xen_hotplug.h"
#include "engine/net/bridge.h"

static const char help[] =
    "Usage: vif-remus online|offline [type_if=vif]\n"
    "Hotplug program for the network interfaces of Xen guests: script=vif-remus in xl.cfg.\n"
    "Brings the interface up as a port of the guest's bridge. One that remusd has taken is left "
    "alone,\n"
    "one of a VM that backupd resumes goes onto the bridge that backupd names.\n"
    "\n"
    "  --help     print this and exit\n"
    "  --version  print the version and exit\n"
    "\n"
    "Environment, set by libxl: vif, XENBUS_PATH. Exit status: 0, or 1 when it failed.\n";

struct vif {
    struct xs_handle *xs;
    const char *backend; /* its path in xenstore */
    char name[IFNAMSIZ];
};

/* xenstore below `path`: the caller's to free, NULL when absent. */
static char *read_key(const struct vif *v, const char *path, const char *key)
{
    char whole[256];
    unsigned len;

    snprintf(whole, sizeof(whole), "%s/%s", path, key);
    return xs_read(v->xs, XBT_NULL, whole, &len);
}

static int write_key(const struct vif *v, const char *key, const char *value)
{
    char whole[256];

    snprintf(whole, sizeof(whole), "%s/%s", v->backend, key);
    return xs_write(v->xs, XBT_NULL, whole, value, (unsigned)strlen(value)) ? 0 : -1;
}

static char *activation_bridge(const struct vif *v)
{
    char *domid = read_key(v, v->backend, "frontend-id");
    char path[64];

    snprintf(path, sizeof(path), "/libxl/%.10s", domid ? domid : "");
    free(domid);
    return read_key(v, path, XEN_KEY_ACTIVATE_BRIDGE);
}

static int find_bridge(const struct vif *v, char bridge[IFNAMSIZ], struct err *err)
{
    char *name = activation_bridge(v);
    int rc = -1;

    if (!name)
        name = read_key(v, v->backend, "bridge");
    if (!name || !*name) {
        errno = ENOENT;
        (void)err_set(err, "add bridge=NAME to the vif in the VM's configuration",
                      "nothing names the bridge of %s", v->name);
    } else if (strlen(name) >= IFNAMSIZ || !bridge_is(name)) {
        errno = ENOENT;
        (void)err_set(err, "see ip link show type bridge", "there is no bridge %.40s", name);
    } else {
        snprintf(bridge, IFNAMSIZ, "%.15s", name);
        rc = 0;
    }
    free(name);
    return rc;
}

/* Under the name that the configuration asks for with vifname=. */
static int take_name(struct vif *v, struct err *err)
{
    char *wanted = read_key(v, v->backend, "vifname");
    int rc = 0;

    if (wanted && *wanted && strcmp(wanted, v->name) != 0) {
        rc = bridge_port_rename(v->name, wanted, err);
        if (rc == 0)
            snprintf(v->name, sizeof(v->name), "%.15s", wanted);
    }
    free(wanted);
    return rc;
}

static int online(struct vif *v, struct err *err)
{
    char now[IFNAMSIZ], bridge[IFNAMSIZ];

    if (take_name(v, err))
        return -1;
    bool taken = bridge_of(v->name, now) && strcmp(now, XEN_HOLD_BRIDGE) == 0;
    if (!taken && (find_bridge(v, bridge, err) || bridge_port_up(v->name, bridge, err)))
        return -1;
    /* What lets netback join it with the guest. */
    if (write_key(v, "hotplug-status", "connected"))
        return err_errno(err, "", "xenstore");
    return 0;
}

static int offline(struct vif *v, struct err *err)
{
    char *named = read_key(v, v->backend, "vifname");

    if (named && *named)
        snprintf(v->name, sizeof(v->name), "%.15s", named);
    free(named);
    return bridge_port_down(v->name, err);
}

static int run(struct vif *v, const char *action, struct err *err)
{
    const char *name = getenv("vif");

    v->backend = getenv("XENBUS_PATH");
    if (!name || strlen(name) >= IFNAMSIZ || !v->backend) {
        errno = EINVAL;
        return err_set(err, "libxl is to start it: script=vif-remus in the VM's configuration",
                       "vif and XENBUS_PATH are not set");
    }
    snprintf(v->name, sizeof(v->name), "%.15s", name);
    v->xs = xs_open(0);
    if (!v->xs)
        return err_errno(err, "is xenstored running, and this root?", "cannot reach xenstore");
    return strcmp(action, "online") == 0 ? online(v, err) : offline(v, err);
}

static int fail(const struct vif *v, const struct err *err)
{
    log_errx("%s%s%s", err->text, err->hint[0] ? "; " : "", err->hint);
    if (v->xs &&
        (write_key(v, "hotplug-error", err->text) || write_key(v, "hotplug-status", "error")))
        log_warnx("xenstore not told");
    return 1;
}

static int usage(const char *text)
{
    fprintf(stderr, "vif-remus: %s; see --help\n", text);
    return 1;
}

int main(int argc, char **argv)
{
    const char *action = argc > 1 ? argv[1] : "";
    struct vif v = {0};
    struct err err;

    if (strcmp(action, "--help") == 0)
        return fputs(help, stdout) < 0;
    if (strcmp(action, "--version") == 0)
        return puts("vif-remus " REMUS_VERSION) < 0;
    if (strcmp(action, "online") != 0 && strcmp(action, "offline") != 0)
        return usage("online or offline is needed");
    if (argc > 2 && strcmp(argv[2], "type_if=vif") != 0)
        return usage("only type_if=vif is served: HVM guests' emulated interfaces need vif-bridge");
    log_init("vif-remus", LOG_LEVEL_INFO);
    int status = run(&v, action, &err) ? fail(&v, &err) : 0;
    if (v.xs)
        xs_close(v.xs);
    return status;
}
