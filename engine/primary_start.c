/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/primary.h"

#define MIB (1024LL * 1024)

/** Going on from a record failed: the record stays as it is. */
static void not_resumed(struct primary *p, bool absent, const struct err *err)
{
    child_event(&p->child, LOG_LEVEL_ERROR, "not-resumed", "protection not resumed: %s", err->text);
    if (absent) { /* the VM is not here any more */
        primary_end(p);
        return;
    }
    /* Whatever it was may pass, e.g. the child before this one is still leaving. */
    primary_end_for_now(p);
}

/** A VM whose protection goes on is better off with long pauses than without a copy. */
static enum hv_suspend suspend_wanted(const struct primary *p)
{
    bool first = p->protect_id != 0;
    return !first && p->rec.suspend == HV_SUSPEND_DRIVER ? HV_SUSPEND_AUTO
                                                         : (enum hv_suspend)p->rec.suspend;
}

/** One that a backup may resume has to be silent, and can be unprotected, fit or not. */
static bool goes_on(const struct primary *p)
{
    return p->protect_id == 0 && p->rec.state == VM_PROTECTING;
}

static const char unknown_vm[] = "unknown-vm";

static int check_fit(struct primary *p, const char **code, struct err *err)
{
    if (goes_on(p) || hv_may_protect(p->hv, &p->child.uuid, err) == 0)
        return 0;
    if (errno != EPERM) /* it says nothing about the VM */
        return -1;
    *code = "refused";
    return err_set(err, err->hint, "%s cannot be protected: %s", p->info.name, err->text);
}

static int open_vm(struct primary *p, const char **code, struct err *err)
{
    *code = "failed";
    if (hv_open(p->conf->backend, p->conf->backend_conf, &p->hv, err) < 0)
        return -1;
    if (hv_find(p->hv, p->child.uuid_text, &p->info, err) < 0) {
        if (errno == ENOENT)
            *code = unknown_vm;
        return -1;
    }
    child_set_name(&p->child, p->info.name);
    if (check_fit(p, code, err) < 0)
        return -1;
    *code = "refused";
    if (hv_attach(p->hv, &p->child.uuid, suspend_wanted(p), &p->vm, err) < 0)
        return -1;
    /* Another tool may have it: better told now than in every session. */
    return p->protect_id != 0 ? hv_log_start(p->vm, err) : 0;
}

static void on_network_trouble(const char *text, void *arg)
{
    struct primary *p = arg;

    if (text)
        child_degrade(&p->child, "network", "%s", text);
    else
        child_restore(&p->child, "network");
}

static int open_parts(struct primary *p, struct err *err)
{
    const struct remusd_conf *conf = p->conf;
    uint64_t pages = p->info.pages;

    output_init(&p->output, p->child.base, p->vm, (enum wire_hold)p->rec.hold, &p->info,
                (size_t)(conf->held_mb * MIB));
    output_on_trouble(&p->output, on_network_trouble, p);
    if (capture_init(&p->capture, p->vm, pages, (size_t)(conf->staging_mb * MIB),
                     conf->verify_image) < 0 ||
        sender_init(&p->sender, p->vm, pages, (size_t)(conf->delta_cache_mb * MIB)) < 0 ||
        bitmap_init(&p->todo, pages) < 0 || bitmap_init(&p->memory, pages) < 0 ||
        primary_loop_init(p) < 0 || primary_guard_init(p) < 0 || primary_status_init(p) < 0) {
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

static void take_parameters(struct primary *p, json_t *cmd)
{
    const char *to = NULL;
    json_int_t epoch_ms = p->rec.epoch_ms;
    int hold = p->rec.hold, suspend = p->rec.suspend;

    if (json_unpack(cmd, "{s?s, s?I, s?i, s?i}", "to", &to, "epoch_ms", &epoch_ms, "hold", &hold,
                    "suspend", &suspend) < 0)
        return;
    if (to)
        snprintf(p->rec.peer, sizeof(p->rec.peer), "%s", to);
    p->rec.epoch_ms = epoch_ms;
    p->rec.hold = hold;
    p->rec.suspend = suspend;
}

static int start(struct primary *p, json_t *cmd, const char **code, struct err *err)
{
    *code = "failed";
    /* Held for life: a predecessor that is still there must not write our record. */
    if (vmrecord_lock(p->conf->state_dir, &p->child.uuid, err) < 0 ||
        vmrecord_load(p->conf->state_dir, &p->child.uuid, &p->rec, &p->had_rec, err) < 0)
        return -1;
    p->rec_known = true;
    p->rec_before = p->rec;
    take_parameters(p, cmd);
    if (open_vm(p, code, err) < 0)
        return -1;
    *code = "failed";
    snprintf(p->rec.name, sizeof(p->rec.name), "%s", p->child.name);
    if (!p->had_rec || p->rec.state == VM_FENCED)
        p->rec.state = VM_WANTED;
    return 0;
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

void primary_start(struct primary *p, json_t *cmd, json_int_t id)
{
    struct err err;
    const char *code;

    p->protect_id = id;
    int rc = start(p, cmd, &code, &err);
    if (rc == 0) {
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
        not_resumed(p, code == unknown_vm, &err);
        return;
    }
    if (rc < 0) {
        primary_refuse(p, code, &err);
        return;
    }
    child_degrade(&p->child, "unprotected", "the backup does not hold the VM yet");
    primary_suspend_look(p);
    primary_status_send(p);
    primary_connect(p);
}
