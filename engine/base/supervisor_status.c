/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/supervisor_impl.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

struct vm_child *supervisor_find(struct supervisor *s, const struct uuid *uuid)
{
    struct vm_child *child;

    for (child = TAILQ_FIRST(&s->children); child; child = TAILQ_NEXT(child, link)) {
        if (uuid_equal(&child->uuid, uuid))
            return child;
    }
    return NULL;
}

size_t supervisor_count(const struct supervisor *s)
{
    const struct vm_child *child;
    size_t count = 0;

    for (child = TAILQ_FIRST(&s->children); child; child = TAILQ_NEXT(child, link))
        count++;
    return count;
}

static struct vm_child *find_name(struct supervisor *s, const char *name, bool *ambiguous)
{
    struct vm_child *child, *found = NULL;

    for (child = TAILQ_FIRST(&s->children); child; child = TAILQ_NEXT(child, link)) {
        if (strcmp(child->name, name) != 0)
            continue;
        *ambiguous = found != NULL;
        if (found)
            return NULL;
        found = child;
    }
    return found;
}

struct vm_child *supervisor_lookup(struct supervisor *s, struct ctl_conn *conn,
                                   const json_t *request)
{
    const char *vm = json_string_value(json_object_get(request, "vm"));
    bool ambiguous = false;
    struct vm_child *child;
    struct uuid uuid;
    struct err err;

    if (!vm || !vm[0]) {
        err_set(&err, "name a VM by UUID or by name", "request has no \"vm\"");
        ctl_reply_err(conn, "bad-request", &err);
        return NULL;
    }
    if (uuid_parse(vm, &uuid) == 0)
        child = supervisor_find(s, &uuid);
    else
        child = find_name(s, vm, &ambiguous);
    if (child)
        return child;
    if (ambiguous)
        err_set(&err, "use the UUID", "more than one VM has the name \"%.80s\"", vm);
    else
        err_set(&err, "remusctl list shows what is known", "%s has no VM \"%.80s\"", s->args.daemon,
                vm);
    ctl_reply_err(conn, "unknown-vm", &err);
    return NULL;
}

json_int_t supervisor_age_ms(const struct vm_child *child)
{
    return mono_sub(mono_now(), child->heard) / NS_PER_MS;
}

static json_t *first_status(const struct vm_child *child)
{
    const struct supervisor_args *args = &child->supervisor->args;

    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:b, s:[{s:s, s:s, s:I}]}", "role", args->role,
                     "uuid", child->uuid_text, "name", child->name, "pid", (int)child->pid, "state",
                     args->first_state, "protected", 0, "degraded", "cause", "unprotected", "text",
                     "the VM's process is starting", "for_ms", supervisor_age_ms(child));
}

static void add_silence(const struct vm_child *child, json_int_t age, json_t *status)
{
    json_t *degraded = json_object_get(status, "degraded");

    if (!json_is_array(degraded)) {
        degraded = json_array();
        json_object_set_new(status, "degraded", degraded);
    }
    json_array_append_new(degraded,
                          json_pack("{s:s, s:o, s:I}", "cause", "not-responding", "text",
                                    json_sprintf("VM child %d sends no status", (int)child->pid),
                                    "for_ms", age));
}

/* What a child last said of itself, and how old that is. */
static json_t *status_of(const struct vm_child *child)
{
    json_t *status = child->status ? json_deep_copy(child->status) : first_status(child);
    json_int_t age = supervisor_age_ms(child);

    json_object_set_new(status, "age_ms", json_integer(age));
    if (age > SUPERVISOR_SILENT_MS)
        add_silence(child, age, status);
    return status;
}

/* Of those that have no child; `vm` names one of them, NULL: all. */
struct waiting {
    const struct supervisor *supervisor;
    const char *vm;
    json_t *vms;
};

static void add_waiting(const struct respawn_wait *w, void *arg)
{
    struct waiting *all = arg;
    char uuid[UUID_TEXT_LEN + 1];
    json_int_t for_ms = mono_sub(mono_now(), w->since) / NS_PER_MS;

    uuid_format(&w->uuid, uuid);
    if (all->vm && strcasecmp(all->vm, uuid) != 0 && strcmp(all->vm, w->name) != 0)
        return;
    json_array_append_new(all->vms, json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:[{s:s, s:s, s:I}]}",
                                              "role", all->supervisor->args.role, "uuid", uuid,
                                              "name", w->name, "state", "restarting", "protected",
                                              0, "age_ms", for_ms, "degraded", "cause",
                                              "no-process", "text", w->why, "for_ms", for_ms));
}

static json_t *statuses(struct supervisor *s, const char *vm)
{
    struct waiting waiting = {s, vm, json_array()};
    struct vm_child *child;

    for (child = TAILQ_FIRST(&s->children); child; child = TAILQ_NEXT(child, link)) {
        if (!vm || strcmp(vm, child->name) == 0 || strcasecmp(vm, child->uuid_text) == 0)
            json_array_append_new(waiting.vms, status_of(child));
    }
    respawn_each(s->respawn, add_waiting, &waiting);
    return waiting.vms;
}

static void answer_status(struct supervisor *s, struct ctl_conn *conn, const json_t *request)
{
    const json_t *named = json_object_get(request, "vm");
    const char *vm = json_string_value(named);
    json_t *vms = statuses(s, vm);

    if (named && (!vm || json_array_size(vms) != 1)) { /* it has the words for it */
        json_decref(vms);
        (void)supervisor_lookup(s, conn, request);
        return;
    }
    ctl_reply(conn, json_pack("{s:b, s:o}", "ok", 1, "vms", vms));
}

static void answer_events(struct supervisor *s, struct ctl_conn *conn, const json_t *request)
{
    ctl_reply(conn, json_pack("{s:b, s:o}", "ok", 1, "events", events_list(&s->events)));
    if (json_is_true(json_object_get(request, "follow")))
        ctl_stream(conn);
}

static void answer_version(struct supervisor *s, struct ctl_conn *conn)
{
    json_t *reply = json_pack("{s:b, s:s, s:s, s:i}", "ok", 1, "daemon", s->args.daemon, "version",
                              REMUS_VERSION, "pid", (int)getpid());
    if (reply && s->args.listen)
        json_object_set_new(reply, "listen", json_string(s->args.listen));
    ctl_reply(conn, reply);
}

void supervisor_on_request(struct ctl_conn *conn, json_t *request, void *arg)
{
    struct supervisor *s = arg;
    const char *cmd = json_string_value(json_object_get(request, "cmd"));
    struct err err;

    if (strcmp(cmd, "version") == 0) {
        answer_version(s, conn);
    } else if (strcmp(cmd, "list") == 0 || strcmp(cmd, "status") == 0) {
        answer_status(s, conn, request);
    } else if (strcmp(cmd, "events") == 0) {
        answer_events(s, conn, request);
    } else if (s->stopping) {
        err_set(&err, "start it again first", "%s is stopping", s->args.daemon);
        ctl_reply_err(conn, "busy", &err);
    } else {
        s->args.on_command(conn, cmd, request, s->args.arg);
    }
}
