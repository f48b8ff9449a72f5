/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/standby.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PART_MS 1000

int standby_record(struct standby *s, enum vmrecord_state state, uint64_t generation)
{
    struct err err;
    struct vmrecord rec = s->rec;

    rec.state = state;
    rec.generation = generation;
    if (vmrecord_save(s->conf->state_dir, &rec, &err) < 0) {
        child_event(&s->child, LOG_LEVEL_ERROR, "state-dir", "%s", err.text);
        return -1;
    }
    s->rec = rec;
    return 0;
}

void standby_drop_replica(struct standby *s)
{
    standby_export_cancel(s, 0, "the backup has given the replica up");
    if (s->store_open)
        store_free(&s->store);
    s->store_open = false;
    if (s->replica)
        hv_discard(s->replica);
    s->replica = NULL;
    s->sealed_epoch = 0;
    frameq_clear(&s->held);
    standby_net_close(s);
}

static void on_part_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    standby_parted(arg);
}

void standby_part(struct standby *s)
{
    struct timeval tv = mono_span_tv(PART_MS * NS_PER_MS);
    s->parting = true;
    if (!s->part_ev)
        s->part_ev = event_new(s->child.base, -1, 0, on_part_timeout, s);
    event_add(s->part_ev, &tv);
}

void standby_parted(struct standby *s)
{
    if (!s->parting)
        return;
    s->parting = false;
    event_del(s->part_ev);
    link_free(s->link, true);
    s->link = NULL;
    if (s->ending)
        standby_end(s);
}

void standby_end(struct standby *s)
{
    child_done(&s->child);
    event_base_loopbreak(s->child.base);
}

/** backupd stops, or died: whatever could be activated is given up, and the primary told so. */
static void leave(struct standby *s, const char *why)
{
    s->ending = true;
    if (s->link && !s->parting && s->phase != STANDBY_ACTIVATING && s->phase != STANDBY_ACTIVE)
        standby_release(s, WIRE_BYE_SHUTDOWN, why);
    if (!s->parting)
        standby_end(s);
}

/** The operator decided that the copy which was activated here is gone for good. */
static void forget(struct standby *s, json_int_t id)
{
    struct err err;

    if (s->link) {
        (void)err_set(&err, "unprotect it at the primary", "the VM is being protected here");
        child_reply_err(&s->child, id, "refused", &err);
        return;
    }
    if (vmrecord_remove(s->conf->state_dir, &s->child.uuid, &err) < 0) {
        child_reply_err(&s->child, id, "failed", &err);
        return;
    }
    child_event(&s->child, LOG_LEVEL_WARN, "forgotten", "the record of this VM is dropped");
    child_reply_last(&s->child, id, NULL, NULL);
    standby_end(s);
}

static void on_command(struct chan *chan, json_t *message, int fd, void *arg)
{
    struct standby *s = arg;
    const char *cmd = json_string_value(json_object_get(message, "cmd"));
    json_int_t id = json_integer_value(json_object_get(message, "id"));
    (void)chan;

    if (cmd && strcmp(cmd, "session") == 0 && fd >= 0) {
        s->number = (int)json_integer_value(json_object_get(message, "number"));
        standby_newcomer(s, fd);
        return;
    }
    if (fd >= 0)
        close(fd);
    if (cmd && strcmp(cmd, "failover") == 0)
        standby_force(s, id);
    else if (cmd && strcmp(cmd, "forget") == 0)
        forget(s, id);
    else if (cmd && strcmp(cmd, "export") == 0)
        standby_export(s, message, id);
    else if (cmd && strcmp(cmd, "cancel") == 0)
        standby_export_cancel(s, json_integer_value(json_object_get(message, "of")),
                              "whoever asked for it is gone");
    else if (cmd && strcmp(cmd, "shutdown") == 0)
        leave(s, "backupd stops");
}

static void on_parent_gone(struct chan *chan, void *arg)
{
    struct standby *s = arg;
    chan_free(chan);
    s->child.chan = NULL;
    log_warnx("backupd is gone");
    leave(s, "backupd died");
}

static int start(struct standby *s, struct err *err)
{
    bool found;

    /* Held for life: a predecessor that is still there must not write our record. */
    if (vmrecord_lock(s->conf->state_dir, &s->child.uuid, err) < 0 ||
        vmrecord_load(s->conf->state_dir, &s->child.uuid, &s->rec, &found, err) < 0 ||
        hv_open(s->conf->backend, s->conf->backend_conf, &s->hv, err) < 0)
        return -1;
    if (found && s->rec.name[0])
        child_set_name(&s->child, s->rec.name);
    /* Left by a child that crashed: half-built, or of an epoch that nobody can vouch for. */
    if (hv_reap(s->hv, &s->child.uuid, err) < 0)
        return -1;
    frameq_init(&s->held, (size_t)(s->conf->held_mb * 1024 * 1024));
    if (standby_watch_init(s) < 0 || standby_status_init(s) < 0)
        return err_errno(err, "", "event loop");
    /* What the child before this one left behind when it died. */
    if (found && s->rec.state == VM_ACTIVE)
        s->phase = STANDBY_ACTIVE;
    else if (found && s->rec.state == VM_ACTIVATING)
        s->phase = STANDBY_UNSURE;
    standby_watch(s);
    return 0;
}

static void tear_down(struct standby *s)
{
    struct event *events[] = {s->watch_ev, s->status_ev, s->part_ev, s->greet_ev, s->idle_ev};

    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        if (events[i])
            event_free(events[i]);
    }
    link_free(s->newcomer, true);
    link_free(s->link, true);
    standby_drop_replica(s);
    frameq_free(&s->held);
    hv_close(s->hv);
}

int standby_main(const char *uuid_text, const struct backupd_conf *conf)
{
    struct err err;
    struct standby *s = calloc(1, sizeof(*s));
    if (!s)
        return 1;
    s->conf = conf;
    if (child_init(&s->child, "backup", uuid_text, on_command, on_parent_gone, s) < 0) {
        log_err("VM child not started");
        free(s);
        return 1;
    }
    int rc = start(s, &err);
    if (rc < 0)
        child_event(&s->child, LOG_LEVEL_ERROR, "start", "%s", err.text);
    else
        event_base_dispatch(s->child.base);

    tear_down(s);
    child_free(&s->child);
    free(s);
    return rc < 0;
}
