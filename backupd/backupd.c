/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/backupd_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/base/statefile.h"
#include "engine/detect/vmrecord.h"
#include "engine/hv/hv.h"
#include "proto/wire.h"

/* A child says goodbye to its primary within this. */
#define SHUTDOWN_MS 5000

/** The lowest free number of this host's VMs, or the one that the VM has already. */
static int vm_number(struct backupd *d, const struct uuid *uuid)
{
    int free_at = -1;
    for (int i = 0; i < d->conf->max_vms; i++) {
        if (d->taken[i] && uuid_equal(&d->number[i], uuid))
            return i;
        if (!d->taken[i] && free_at < 0)
            free_at = i;
    }
    if (free_at >= 0) {
        d->taken[free_at] = true;
        d->number[free_at] = *uuid;
    }
    return free_at;
}

void backupd_free_number(struct backupd *d, const struct uuid *uuid)
{
    for (int i = 0; i < d->conf->max_vms; i++) {
        if (d->taken[i] && uuid_equal(&d->number[i], uuid))
            d->taken[i] = false;
    }
}

static void on_session(int fd, const struct uuid *uuid, void *arg)
{
    struct backupd *d = arg;
    struct err err;
    struct vm_child *child = supervisor_find(d->sup, uuid);
    int number = vm_number(d, uuid);

    if (number < 0) {
        listener_reject(fd, WIRE_REJECT_BUSY, "this backup keeps as many VMs as max_vms allows");
        return;
    }
    if (!child)
        child = supervisor_spawn(d->sup, uuid, "", &err);
    if (!child) {
        log_errx("%s", err.text);
        backupd_free_number(d, uuid);
        listener_reject(fd, WIRE_REJECT_FAILED, err.text);
        return;
    }
    json_t *cmd = json_pack("{s:s, s:i}", "cmd", "session", "number", number);
    if (supervisor_command(child, cmd, fd, NULL) < 0)
        log_warn("connection dropped");
    json_decref(cmd);
    close(fd);
}

/** A record that cannot be read is the child's to tell. */
static bool may_be_activated(const struct backupd *d, const struct uuid *uuid)
{
    struct vmrecord rec;
    struct err err;
    bool found;
    return vmrecord_load(d->conf->state_dir, uuid, &rec, &found, &err) < 0 ||
           (found && (rec.state == VM_ACTIVE || rec.state == VM_ACTIVATING));
}

static void on_child_gone(struct vm_child *child, const char *how, void *arg)
{
    static const char lost[] = "its replica is lost, the primary has to copy again";
    static const char unwatched[] = "nobody watches the VM until it is back";
    struct backupd *d = arg;
    struct err why;
    bool again = how && may_be_activated(d, &child->uuid);

    if (how) {
        (void)err_set(&why, "", "the VM's process ended unexpectedly (%s): %s", how,
                      again ? unwatched : lost);
        supervisor_event(d->sup, child, LOG_LEVEL_ERROR, "child-died", "%s", why.text);
    }
    if (again) /* the VM runs by itself; its child only watches it */
        supervisor_respawn_later(d->sup, &child->uuid, child->name, why.text);
    else
        backupd_free_number(d, &child->uuid);
}

static void watch_again(struct backupd *d, const struct uuid *uuid, const char *name)
{
    struct err err;

    if (supervisor_spawn(d->sup, uuid, name, &err))
        return;
    log_errx("%s", err.text);
    supervisor_respawn_later(d->sup, uuid, name, err.text);
}

static void on_respawn(const struct uuid *uuid, const char *name, void *arg)
{
    struct backupd *d = arg;

    if (may_be_activated(d, uuid))
        watch_again(d, uuid, name);
    else
        backupd_free_number(d, uuid);
}

static void on_stop(void *arg)
{
    struct backupd *d = arg;
    listener_free(d->listener);
    d->listener = NULL;
}

static void show_activated(const struct vmrecord *rec, void *arg)
{
    struct backupd *d = arg;
    if (rec->state != VM_ACTIVE && rec->state != VM_ACTIVATING)
        return;
    (void)vm_number(d, &rec->uuid);
    watch_again(d, &rec->uuid, rec->name);
}

static int start_supervisor(struct backupd *d, const char *const *options, struct err *err)
{
    const struct supervisor_args args = {.base = d->base,
                                         .daemon = "backupd",
                                         .role = "backup",
                                         .first_state = "waiting",
                                         .control_socket = d->conf->control_socket,
                                         .listen = listener_address(d->listener),
                                         .child_options = options,
                                         .on_command = backupd_on_command,
                                         .on_child_gone = on_child_gone,
                                         .on_respawn = on_respawn,
                                         .on_stop = on_stop,
                                         .stop_ms = SHUTDOWN_MS,
                                         .arg = d};
    d->sup = supervisor_new(&args, err);
    return d->sup ? 0 : -1;
}

static int start(struct backupd *d, const char *const *options, struct err *err)
{
    struct hv *hv;

    if (statefile_dir_check(d->conf->state_dir, err) < 0 ||
        hv_open(d->conf->backend, d->conf->backend_conf, &hv, err) < 0)
        return -1;
    hv_close(hv);
    d->listener = listener_new(d->base, d->conf->listen, on_session, d, err);
    if (!d->listener || start_supervisor(d, options, err) < 0)
        return -1;
    return vmrecord_each(d->conf->state_dir, show_activated, d, err);
}

int backupd_run(const struct backupd_conf *conf, const char *config)
{
    const char *options[] = {config ? "--config" : NULL, config, NULL};
    struct backupd d = {.conf = conf, .base = event_base_new()};
    struct err err;

    d.number = calloc((size_t)conf->max_vms, sizeof(*d.number));
    d.taken = calloc((size_t)conf->max_vms, sizeof(*d.taken));
    int rc;
    if (d.base && d.number && d.taken) {
        rc = start(&d, options, &err);
    } else {
        errno = ENOMEM;
        rc = err_errno(&err, "", "start");
    }
    if (rc < 0) {
        log_errx("%s%s%s", err.text, err.hint[0] ? "; " : "", err.hint);
    } else {
        log_info("listening on %s", listener_address(d.listener));
        event_base_dispatch(d.base);
    }
    listener_free(d.listener);
    supervisor_free(d.sup);
    if (d.base)
        event_base_free(d.base);
    free(d.number);
    free(d.taken);
    return rc < 0;
}
