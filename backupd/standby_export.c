/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/standby.h"

#include <stdlib.h>
#include <string.h>

#define MIB (1024 * 1024)

static void forget_export(struct standby *s)
{
    s->store.before_write = NULL;
    export_free(s->export);
    s->export = NULL;
    free(s->export_file);
    s->export_file = NULL;
    s->export_id = 0;
}

static void fail(struct standby *s, const struct err *err)
{
    child_event(&s->child, LOG_LEVEL_WARN, "export-failed", "epoch %llu not exported to %s: %s",
                (unsigned long long)s->export_epoch, s->export_file, err->text);
    child_reply_err(&s->child, s->export_id, "failed", err);
    forget_export(s);
}

static void on_end(const struct err *err, void *arg)
{
    struct standby *s = arg;
    struct export_progress done;

    if (err) {
        fail(s, err);
        return;
    }
    export_progress(s->export, &done);
    child_event(&s->child, LOG_LEVEL_INFO, "exported", "epoch %llu is in %s (%llu MiB)",
                (unsigned long long)s->export_epoch, s->export_file,
                (unsigned long long)(done.octets / MIB));
    child_reply_ok(&s->child, s->export_id,
                   json_pack("{s:s, s:s, s:s, s:I, s:I}", "uuid", s->child.uuid_text, "name",
                             s->child.name, "file", s->export_file, "epoch",
                             (json_int_t)s->export_epoch, "bytes", (json_int_t)done.octets));
    forget_export(s);
}

static void on_before_write(const uint64_t *pfn, size_t n, void *arg)
{
    struct standby *s = arg;
    struct err err;

    if (export_before_write(s->export, pfn, n, &err) < 0)
        fail(s, &err);
}

/* Why not; NULL when it can be exported. */
static const char *refusal(const struct standby *s)
{
    if (s->export)
        return "another export of this VM is under way";
    if (s->phase == STANDBY_ACTIVE)
        return "the VM runs here and has no sealed epoch any more; xl save -c can save it";
    if (s->phase == STANDBY_ACTIVATING)
        return "the VM is being resumed here";
    if (!standby_can_activate(s))
        return "no sealed epoch of this VM is here: its first copy must be complete";
    return NULL;
}

static int begin(struct standby *s, const char *file, bool replace, struct err *err)
{
    const struct export_args args = {.base = s->child.base,
                                     .replica = s->replica,
                                     .path = file,
                                     .replace = replace,
                                     .limit = (size_t)s->conf->export_mb * MIB,
                                     .on_end = on_end,
                                     .arg = s};
    s->export_file = strdup(file);
    if (!s->export_file)
        return err_errno(err, "", "export");
    s->export_epoch = s->store.sealed;
    s->export = export_new(&args, err);
    if (!s->export)
        return -1;
    s->store.before_write_arg = s;
    s->store.before_write = on_before_write;
    return 0;
}

void standby_export(struct standby *s, const json_t *request, json_int_t id)
{
    const char *file = json_string_value(json_object_get(request, "file"));
    const char *why = refusal(s);
    struct err err;

    if (why) {
        (void)err_set(&err, "see remusctl --backup status", "%s", why);
        child_reply_err(&s->child, id, s->export ? "busy" : "refused", &err);
        return;
    }
    if (begin(s, file, json_is_true(json_object_get(request, "force")), &err) < 0) {
        child_reply_err(&s->child, id, "failed", &err);
        forget_export(s);
        return;
    }
    s->export_id = id;
    child_event(&s->child, LOG_LEVEL_INFO, "export", "writing epoch %llu to %s",
                (unsigned long long)s->export_epoch, s->export_file);
}

void standby_export_cancel(struct standby *s, json_int_t id, const char *why)
{
    struct err err;

    if (!s->export || (id && id != s->export_id))
        return;
    (void)err_set(&err, "nothing of the file is left; try again", "export given up: %s", why);
    fail(s, &err);
}

json_t *standby_export_json(const struct standby *s)
{
    struct export_progress now;

    if (!s->export)
        return json_null();
    export_progress(s->export, &now);
    return json_pack("{s:s, s:I, s:I, s:I}", "file", s->export_file, "epoch",
                     (json_int_t)s->export_epoch, "bytes", (json_int_t)now.octets, "bytes_total",
                     (json_int_t)now.memory);
}
