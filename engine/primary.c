/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/primary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/fault.h"

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
    if (hv_stop(p->vm, (int)p->conf->stop_timeout_ms, &err) == 0)
        child_restore(&p->child, "not-stopped");
    else if (errno != ESRCH) /* gone: vm_check finds it out */
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
    p->torn = hv_resume(p->vm, &err) < 0 && errno == ECANCELED;
    if (hv_stopped(p->vm))
        child_degrade(&p->child, "not-resumed", "the VM could not be resumed: %s", err.text);
    else
        child_restore(&p->child, "not-resumed");
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
    if (p->phase == PRIMARY_ENDED) {
        primary_end_busy(p, id);
        return;
    }
    if (!cmd)
        return;
    if (strcmp(cmd, "protect") == 0)
        primary_start(p, message, id);
    else if (strcmp(cmd, "resume") == 0)
        primary_start(p, message, 0);
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
    bitmap_free(&p->memory);
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
