/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/primary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/fault.h"

#define MIB (1024LL * 1024)

int primary_record(struct primary *p, enum vmrecord_state state)
{
    struct err err;
    struct vmrecord rec = p->rec;

    rec.state = state;
    if (vmrecord_save(p->conf->state_dir, &rec, &err) < 0) {
        child_event(&p->child, LOG_LEVEL_ERROR, "state-dir", "%s", err.text);
        return -1;
    }
    p->rec.state = state;
    child_restore(&p->child, "state-dir");
    return 0;
}

void primary_end(struct primary *p)
{
    p->phase = PRIMARY_ENDED;
    primary_close_link(p, true);
    primary_status_send(p);
    child_done(&p->child);
    event_base_loopbreak(p->child.base);
}

/** Going on from a record failed: the record stays as it is. */
static void not_resumed(struct primary *p, int error, const struct err *err)
{
    child_event(&p->child, LOG_LEVEL_ERROR, "not-resumed", "protection not resumed: %s", err->text);
    if (error == ENOENT) { /* the VM is not here any more */
        primary_end(p);
        return;
    }
    /* Whatever it was may pass, e.g. the child before this one is still leaving: without "done"
       remusd starts another one after a pause. */
    p->phase = PRIMARY_ENDED;
    event_base_loopbreak(p->child.base);
}

void primary_refuse(struct primary *p, const char *code, const struct err *err)
{
    struct err ignored;

    child_event(&p->child, LOG_LEVEL_WARN, "refused", "not protected: %s", err->text);
    child_reply_last(&p->child, p->protect_id, code, err);
    p->protect_id = 0;
    /* As before, except that a generation once used is never used again. */
    if (!p->rec_known) {
        log_debug("the record is left as it is");
    } else if (p->had_rec) {
        p->rec_before.generation = p->rec.generation;
        if (vmrecord_save(p->conf->state_dir, &p->rec_before, &ignored) < 0)
            log_errx("%s", ignored.text);
    } else if (vmrecord_remove(p->conf->state_dir, &p->child.uuid, &ignored) < 0) {
        log_errx("%s", ignored.text);
    }
    primary_end(p);
}

void primary_hold(struct primary *p, unsigned why)
{
    struct err err;

    p->holds |= why;
    if (!p->vm || hv_stopped(p->vm))
        return;
    if (hv_stop(p->vm, (int)p->conf->stop_timeout_ms, &err) < 0)
        child_degrade(&p->child, "not-stopped", "the VM is silent but could not be stopped: %s",
                      err.text);
}

void primary_let(struct primary *p, unsigned why)
{
    struct err err;

    p->holds &= ~why;
    if (p->holds)
        return;
    child_restore(&p->child, "not-stopped");
    if (!p->vm || !hv_stopped(p->vm) || hv_vm_gone(p->vm) != HV_ALIVE)
        return;
    if (hv_resume(p->vm, &err) < 0)
        child_degrade(&p->child, "not-resumed", "the VM could not be resumed: %s", err.text);
    else
        child_restore(&p->child, "not-resumed");
}

/* ---- start ---- */

static int open_vm(struct primary *p, const char **code, struct err *err)
{
    *code = "failed";
    if (hv_open(p->conf->backend, p->conf->backend_conf, &p->hv, err) < 0)
        return -1;
    if (hv_find(p->hv, p->child.uuid_text, &p->info, err) < 0) {
        *code = "unknown-vm";
        return -1;
    }
    child_set_name(&p->child, p->info.name);
    *code = "refused";
    if (p->info.refuse[0])
        return err_set(err, "", "%s cannot be protected: %s", p->info.name, p->info.refuse);
    return hv_attach(p->hv, &p->child.uuid, &p->vm, err);
}

static int open_parts(struct primary *p, struct err *err)
{
    const struct remusd_conf *conf = p->conf;
    uint64_t pages = p->info.pages;

    output_init(&p->output, p->child.base, p->vm, (enum wire_hold)p->rec.hold, p->info.net,
                (size_t)(conf->held_mb * MIB));
    if (capture_init(&p->capture, p->vm, pages, (size_t)(conf->staging_mb * MIB),
                     conf->verify_image) < 0 ||
        sender_init(&p->sender, p->vm, pages, (size_t)(conf->delta_cache_mb * MIB)) < 0 ||
        bitmap_init(&p->todo, pages) < 0 || primary_loop_init(p) < 0 || primary_guard_init(p) < 0 ||
        primary_status_init(p) < 0) {
        errno = ENOMEM;
        return err_errno(err, "lower staging_mb or delta_cache_mb", "protecting %s", p->child.name);
    }
    return 0;
}

/** A record that a backup may act upon: until it answers, this copy neither runs nor speaks. */
static int start_silent(struct primary *p, struct err *err)
{
    if (output_take(&p->output, err) < 0)
        return -1;
    lease_held_start(&p->lease, (struct mono){0}, 0);
    primary_hold(p, HOLD_LEASE);
    child_degrade(
        &p->child, "lease-lost",
        "protection was interrupted: the VM is stopped and silent until the backup answers");
    return 0;
}

static int start(struct primary *p, const char **code, struct err *err)
{
    *code = "failed";
    /* Held for life: a predecessor that is still there must not write our record. */
    if (vmrecord_lock(p->conf->state_dir, &p->child.uuid, err) < 0 ||
        vmrecord_load(p->conf->state_dir, &p->child.uuid, &p->rec, &p->had_rec, err) < 0)
        return -1;
    p->rec_known = true;
    p->rec_before = p->rec;
    if (open_vm(p, code, err) < 0)
        return -1;
    *code = "failed";
    snprintf(p->rec.name, sizeof(p->rec.name), "%s", p->child.name);
    if (!p->had_rec || p->rec.state == VM_FENCED)
        p->rec.state = VM_WANTED;
    return 0;
}

static void take_parameters(struct primary *p, json_t *cmd)
{
    const char *to = NULL;
    json_int_t epoch_ms = p->rec.epoch_ms;
    int hold = p->rec.hold;

    if (json_unpack(cmd, "{s?s, s?I, s?i}", "to", &to, "epoch_ms", &epoch_ms, "hold", &hold) < 0)
        return;
    if (to)
        snprintf(p->rec.peer, sizeof(p->rec.peer), "%s", to);
    p->rec.epoch_ms = epoch_ms;
    p->rec.hold = hold;
}

/** The backup that may activate the VM is not the one that is asked for now. */
static int other_backup(const struct primary *p, struct err *err)
{
    if (p->rec.state != VM_PROTECTING || !p->had_rec ||
        strcmp(p->rec.peer, p->rec_before.peer) == 0)
        return 0;
    return err_set(err, "protect it to that backup again, or unprotect --force",
                   "%s may still resume the VM", p->rec_before.peer);
}

static void on_protect(struct primary *p, json_t *cmd, json_int_t id)
{
    struct err err;
    const char *code;

    p->protect_id = id;
    int rc = start(p, &code, &err);
    if (rc == 0) {
        take_parameters(p, cmd);
        code = "refused";
        rc = other_backup(p, &err);
    }
    if (rc == 0) {
        code = "failed";
        rc = open_parts(p, &err);
    }
    if (rc == 0 && p->rec.state == VM_PROTECTING)
        rc = start_silent(p, &err);
    if (rc < 0 && id == 0) {
        not_resumed(p, errno, &err);
        return;
    }
    if (rc < 0) {
        primary_refuse(p, code, &err);
        return;
    }
    child_degrade(&p->child, "unprotected", "the backup does not hold the VM yet");
    primary_connect(p);
}

static void on_command(struct chan *chan, json_t *message, int fd, void *arg)
{
    struct primary *p = arg;
    const char *cmd = json_string_value(json_object_get(message, "cmd"));
    json_int_t id = json_integer_value(json_object_get(message, "id"));
    bool force = json_is_true(json_object_get(message, "force"));
    (void)chan;

    if (fd >= 0)
        close(fd);
    if (!cmd || p->phase == PRIMARY_ENDED)
        return;
    if (strcmp(cmd, "protect") == 0)
        on_protect(p, message, id);
    else if (strcmp(cmd, "resume") == 0)
        on_protect(p, message, 0);
    else if (!p->vm)
        primary_end(p); /* asked to go before anything was begun */
    else if (strcmp(cmd, "unprotect") == 0)
        primary_leave(p, GOAL_UNPROTECT, id, force);
    else if (strcmp(cmd, "failover") == 0)
        primary_leave(p, GOAL_FAILOVER, id, false);
    else if (strcmp(cmd, "shutdown") == 0)
        primary_leave(p, GOAL_SHUTDOWN, 0, false);
}

/** remusd died: say goodbye to the backup; a new remusd starts protection again from the record. */
static void on_parent_gone(struct chan *chan, void *arg)
{
    struct primary *p = arg;
    chan_free(chan);
    p->child.chan = NULL;
    if (p->phase == PRIMARY_ENDED)
        return;
    log_warnx("remusd is gone: protection is being ended");
    if (p->vm)
        primary_leave(p, GOAL_SHUTDOWN, 0, false);
    else
        primary_end(p);
}

static void tear_down(struct primary *p)
{
    struct event *events[] = {p->retry_ev, p->greet_ev, p->epoch_ev,
                              p->code_ev,  p->leave_ev, p->status_ev};

    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        if (events[i])
            event_free(events[i]);
    }
    dial_cancel(p->dial);
    link_free(p->link, true);
    primary_guard_stop(p);
    output_close(&p->output);
    if (p->vm)
        hv_end(p->vm);
    hv_close(p->hv);
    capture_free(&p->capture);
    sender_free(&p->sender);
    bitmap_free(&p->todo);
}

int primary_main(const char *uuid_text, const struct remusd_conf *conf)
{
    struct primary *p = calloc(1, sizeof(*p));
    if (!p)
        return 1;
    p->conf = conf;
    if (child_init(&p->child, "primary", uuid_text, on_command, on_parent_gone, p) < 0) {
        log_err("VM child not started");
        free(p);
        return 1;
    }
    event_base_dispatch(p->child.base);
    tear_down(p);
    child_free(&p->child);
    free(p);
    return 0;
}
