/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/backupd_impl.h"

#include <errno.h>
#include <string.h>

#include "engine/detect/vmrecord.h"
#include "engine/hv/hv.h"

/* The operator's commands that are not the supervisor's own. */

/** As hv_check_absent; what says EEXIST tells the operator why. */
static int check_absent(const struct backupd *d, const struct uuid *uuid, struct err *err)
{
    struct hv *hv;

    if (hv_open(d->conf->backend, d->conf->backend_conf, &hv, err) < 0)
        return -1;
    int rc = hv_check_absent(hv, uuid, err), error = errno;
    hv_close(hv);
    errno = error;
    if (rc < 0 && errno == EEXIST)
        (void)err_set(err, "end that VM first", "the VM runs here: its record must stay");
    return rc;
}

static void forget(struct backupd *d, struct ctl_conn *conn, json_t *request)
{
    struct err err;
    struct uuid uuid;
    const char *vm = json_string_value(json_object_get(request, "vm"));

    if (!vm || uuid_parse(vm, &uuid) < 0) {
        struct vm_child *child = supervisor_lookup(d->sup, conn, request);
        if (!child)
            return;
        uuid = child->uuid;
    }
    if (check_absent(d, &uuid, &err) < 0) {
        ctl_reply_err(conn, errno == EEXIST ? "refused" : "failed", &err);
        return;
    }
    struct vm_child *child = supervisor_find(d->sup, &uuid);
    json_t *cmd = json_pack("{s:s}", "cmd", "forget");
    if (child) {
        (void)supervisor_command(child, cmd, -1, conn);
    } else if (vmrecord_remove(d->conf->state_dir, &uuid, &err) < 0) {
        ctl_reply_err(conn, "failed", &err);
    } else {
        supervisor_respawn_never(d->sup, &uuid);
        backupd_free_number(d, &uuid);
        ctl_reply_ok(conn);
    }
    json_decref(cmd);
}

static void failover(struct backupd *d, struct ctl_conn *conn, json_t *request)
{
    struct err err;

    if (!json_is_true(json_object_get(request, "force"))) {
        (void)err_set(&err, "a planned failover is asked of remusd; here use --force",
                      "failover at the backup stops the primary");
        ctl_reply_err(conn, "unsafe", &err);
        return;
    }
    struct vm_child *child = supervisor_lookup(d->sup, conn, request);
    if (!child)
        return;
    json_t *cmd = json_pack("{s:s}", "cmd", "failover");
    (void)supervisor_command(child, cmd, -1, conn);
    json_decref(cmd);
}

static void export_vm(struct backupd *d, struct ctl_conn *conn, json_t *request)
{
    const char *file = json_string_value(json_object_get(request, "file"));
    json_t *force = json_object_get(request, "force");
    struct err err;

    if (!file || file[0] != '/') {
        (void)err_set(&err, "\"file\": an absolute path", "request names no file to write");
        ctl_reply_err(conn, "bad-request", &err);
        return;
    }
    struct vm_child *child = supervisor_lookup(d->sup, conn, request);
    if (!child)
        return;
    json_t *cmd =
        json_pack("{s:s, s:s, s:b}", "cmd", "export", "file", file, "force", json_is_true(force));
    (void)supervisor_command_until_gone(child, cmd, conn);
    json_decref(cmd);
}

void backupd_on_command(struct ctl_conn *conn, const char *cmd, json_t *request, void *arg)
{
    struct backupd *d = arg;
    struct err err;

    if (strcmp(cmd, "failover") == 0) {
        failover(d, conn, request);
    } else if (strcmp(cmd, "forget") == 0) {
        forget(d, conn, request);
    } else if (strcmp(cmd, "export") == 0) {
        export_vm(d, conn, request);
    } else {
        (void)err_set(&err, "see docs/control.md", "backupd has no command '%s'", cmd);
        ctl_reply_err(conn, "bad-request", &err);
    }
}
