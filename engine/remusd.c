/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/remusd.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/log.h"
#include "engine/base/mono.h"
#include "engine/base/statefile.h"
#include "engine/base/supervisor.h"
#include "engine/detect/vmrecord.h"
#include "engine/hv/hv.h"
#include "engine/remusd_request.h"

/* A child says goodbye to its backup within this (primary_leave.c waits 3 s). */
#define SHUTDOWN_MS 5000

struct remusd {
    const struct remusd_conf *conf;
    struct event_base *base;
    struct supervisor *sup;
    struct hv *hv;
};

static void protect(struct remusd *d, struct ctl_conn *conn, json_t *request)
{
    struct protect_request want;
    const char *code;
    struct err err;
    struct hv_info info;

    if (protect_request_parse(d->conf, request, &want, &code, &err) < 0) {
        ctl_reply_err(conn, code, &err);
        return;
    }
    if (hv_find(d->hv, want.vm, &info, &err) < 0) {
        ctl_reply_err(conn, errno == ENOENT ? "unknown-vm" : "failed", &err);
        return;
    }
    struct vm_child *child = supervisor_spawn(d->sup, &info.uuid, info.name, &err);
    if (!child) {
        if (errno == EEXIST)
            (void)err_set(&err, "remusctl status shows it", "%s is protected already", info.name);
        ctl_reply_err(conn, errno == EEXIST ? "already-protected" : "failed", &err);
        return;
    }
    json_t *cmd = json_pack("{s:s, s:s, s:I, s:i, s:i}", "cmd", "protect", "to", want.to,
                            "epoch_ms", want.epoch_ms, "hold", want.hold, "suspend", want.suspend);
    (void)supervisor_command(child, cmd, -1, conn);
    json_decref(cmd);
}

static bool to_be_protected(const struct vmrecord *rec)
{
    return rec->state == VM_PROTECTING || rec->state == VM_WANTED;
}

static void resume(const struct uuid *uuid, const char *name, void *arg);

struct wanted {
    struct remusd *d;
    const char *vm;
    bool found; /* a record without a child: that of `rec` */
    struct vmrecord rec;
};

static void find_named(const struct vmrecord *rec, void *arg)
{
    struct wanted *w = arg;
    char text[UUID_TEXT_LEN + 1];
    uuid_format(&rec->uuid, text);
    bool match = strcmp(rec->name, w->vm) == 0 || strcasecmp(text, w->vm) == 0;
    if (!match || !to_be_protected(rec) || supervisor_find(w->d->sup, &rec->uuid))
        return;
    w->found = true;
    w->rec = *rec;
}

/** What is left of a VM that is not here any more, its host having died, say. */
static void unprotect_absent(struct remusd *d, struct ctl_conn *conn, const struct vmrecord *rec,
                             bool force)
{
    struct err err;

    if (!force) {
        (void)err_set(&err, "if the backup surely does not run it: unprotect --force",
                      "%s is not here any more; %s may run it", rec->name, rec->peer);
        ctl_reply_err(conn, "refused", &err);
    } else if (vmrecord_remove(d->conf->state_dir, &rec->uuid, &err) < 0) {
        ctl_reply_err(conn, "failed", &err);
    } else {
        log_warnx("%s is not here any more: its record is dropped", rec->name);
        supervisor_respawn_never(d->sup, &rec->uuid);
        ctl_reply_ok(conn);
    }
}

static void pass_on(struct remusd *d, struct ctl_conn *conn, const char *cmd, json_t *request)
{
    struct wanted w = {.d = d, .vm = json_string_value(json_object_get(request, "vm"))};
    struct err err;

    if (w.vm && vmrecord_each(d->conf->state_dir, find_named, &w, &err) < 0)
        log_warnx("%s", err.text);
    if (w.found && strcmp(cmd, "unprotect") == 0 &&
        hv_check_absent(d->hv, &w.rec.uuid, NULL) == 0) {
        unprotect_absent(d, conn, &w.rec, json_is_true(json_object_get(request, "force")));
        return;
    }
    if (w.found) /* one whose child waits to be started again still obeys */
        resume(&w.rec.uuid, w.rec.name, d);
    struct vm_child *child = supervisor_lookup(d->sup, conn, request);
    if (!child)
        return;
    (void)supervisor_command(child, request, -1, conn);
}

static void on_command(struct ctl_conn *conn, const char *cmd, json_t *request, void *arg)
{
    struct remusd *d = arg;
    struct err err;

    if (strcmp(cmd, "protect") == 0) {
        protect(d, conn, request);
    } else if (strcmp(cmd, "unprotect") == 0 || strcmp(cmd, "failover") == 0) {
        pass_on(d, conn, cmd, request);
    } else {
        (void)err_set(&err, "see docs/control.md", "remusd has no command '%s'", cmd);
        ctl_reply_err(conn, "bad-request", &err);
    }
}

/** Starts the VM's child again; it goes on from the VM's record. */
static void resume(const struct uuid *uuid, const char *name, void *arg)
{
    struct remusd *d = arg;
    struct err err;
    struct vm_child *child = supervisor_spawn(d->sup, uuid, name, &err);

    if (!child) {
        if (errno != EEXIST) {
            log_errx("%s", err.text);
            supervisor_respawn_later(d->sup, uuid, name, err.text);
        }
        return;
    }
    json_t *cmd = json_pack("{s:s}", "cmd", "resume");
    (void)supervisor_command(child, cmd, -1, NULL);
    json_decref(cmd);
}

/** Unless that was asked to end meanwhile. A record that cannot be read is the child's to tell. */
static void resume_later(const struct uuid *uuid, const char *name, void *arg)
{
    struct remusd *d = arg;
    struct vmrecord rec;
    struct err err;
    bool found;

    if (vmrecord_load(d->conf->state_dir, uuid, &rec, &found, &err) < 0 ||
        (found && to_be_protected(&rec)))
        resume(uuid, name, d);
}

static void on_child_gone(struct vm_child *child, const char *how, void *arg)
{
    struct remusd *d = arg;
    struct err why;

    if (!how)
        return;
    (void)err_set(&why, "",
                  "the VM's process ended unexpectedly (%s): not protected until it is back", how);
    supervisor_event(d->sup, child, LOG_LEVEL_ERROR, "child-died", "%s", why.text);
    supervisor_respawn_later(d->sup, &child->uuid, child->name, why.text);
}

static void resume_record(const struct vmrecord *rec, void *arg)
{
    if (to_be_protected(rec))
        resume(&rec->uuid, rec->name, arg);
}

static int start(struct remusd *d, const char *const *options, struct err *err)
{
    const struct supervisor_args args = {.base = d->base,
                                         .daemon = "remusd",
                                         .role = "primary",
                                         .first_state = "connecting",
                                         .control_socket = d->conf->control_socket,
                                         .child_options = options,
                                         .on_command = on_command,
                                         .on_child_gone = on_child_gone,
                                         .on_respawn = resume_later,
                                         .stop_ms = SHUTDOWN_MS,
                                         .arg = d};

    if (statefile_dir_check(d->conf->state_dir, err) < 0 ||
        hv_open(d->conf->backend, d->conf->backend_conf, &d->hv, err) < 0)
        return -1;
    d->sup = supervisor_new(&args, err);
    if (!d->sup)
        return -1;
    return vmrecord_each(d->conf->state_dir, resume_record, d, err);
}

int remusd_run(const struct remusd_conf *conf, const char *config)
{
    const char *options[] = {config ? "--config" : NULL, config, NULL};
    struct remusd d = {.conf = conf, .base = event_base_new()};
    struct err err;

    if (!d.base)
        return 1;
    int rc = start(&d, options, &err);
    if (rc < 0)
        log_errx("%s%s%s", err.text, err.hint[0] ? "; " : "", err.hint);
    else
        event_base_dispatch(d.base);
    supervisor_free(d.sup);
    hv_close(d.hv);
    event_base_free(d.base);
    return rc < 0;
}
