/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/mono.h"
#include "tools/remusctl_ask.h"
#include "tools/remusctl_commands.h"
#include "tools/remusctl_progress.h"
#include "tools/remusctl_status.h"

#define POLL_MS 500

/* Whether `word` was not given, or is one of `words` (ended by NULL). */
static bool known(const char *word, const char *const *words)
{
    while (word && *words && strcmp(word, *words) != 0)
        words++;
    return !word || *words;
}

static int check(const struct ctl_args *args)
{
    static const char *const holds[] = {"backup", "primary", "none", NULL};
    static const char *const suspends[] = {"auto", "cooperative", "driver", NULL};

    if (!args->to || !*args->to)
        return ctl_usage_error("remusctl protect VM --to HOST[:PORT]", "no backup host is named");
    if (!known(args->hold, holds))
        return ctl_usage_error("one of: backup, primary, none", "no such --hold: %s", args->hold);
    if (!known(args->suspend, suspends))
        return ctl_usage_error("one of: auto, cooperative, driver", "no such --suspend: %s",
                               args->suspend);
    if (args->hold && strcmp(args->hold, "none") == 0 && !args->unsafe)
        return ctl_usage_error("with hold=none clients see output of states that a failover loses; "
                               "add --unsafe to have it so",
                               "--hold none needs --unsafe");
    return CTL_OK;
}

static json_t *protect_request(const struct ctl_args *args)
{
    json_t *request = ctl_request(args, "protect");
    json_object_set_new(request, "to", json_string(args->to));
    if (args->epoch_ms)
        json_object_set_new(request, "epoch_ms", json_integer(args->epoch_ms));
    if (args->hold)
        json_object_set_new(request, "hold", json_string(args->hold));
    if (args->suspend)
        json_object_set_new(request, "suspend", json_string(args->suspend));
    if (args->unsafe)
        json_object_set_new(request, "unsafe", json_true());
    return request;
}

/* States that a VM does not leave for "protected" without somebody's help. */
static bool is_final(const char *state)
{
    static const char *const final[] = {"fenced", "vm-gone", "unprotected", "stopped"};
    for (size_t i = 0; i < ARRAY_LEN(final); i++) {
        if (strcmp(state, final[i]) == 0)
            return true;
    }
    return false;
}

/* The VM's status (new reference), or NULL and why not. */
static json_t *look(const struct ctl_args *args, const char *path, struct ctl_failure *ret_why)
{
    json_t *request = ctl_request(args, "status");
    json_t *reply = ctl_ask(path, request, args->timeout_ms, ret_why);
    json_decref(request);
    if (!reply)
        return NULL;
    json_t *vm = json_incref(json_array_get(json_object_get(reply, "vms"), 0));
    json_decref(reply);
    if (vm)
        return vm;
    *ret_why = (struct ctl_failure){.exit = CTL_UNKNOWN_VM, .code = "unknown-vm"};
    (void)err_set(&ret_why->err, "see remusctl events", "%s is no longer protected", args->vm);
    return NULL;
}

static int give_up(const struct ctl_args *args, const char *state)
{
    struct ctl_failure why = {.exit = CTL_FAILED, .code = "failed"};
    (void)err_set(&why.err, "see remusctl events", "%s did not become protected: it is %s",
                  args->vm, state);
    return ctl_report(args, &why);
}

static int out_of_time(const struct ctl_args *args)
{
    struct ctl_failure why = {.exit = CTL_TIMEOUT, .code = CTL_CODE_TIMEOUT};
    (void)err_set(&why.err, "the copy goes on: see remusctl status", "%s is not protected yet",
                  args->vm);
    return ctl_report(args, &why);
}

static int done_waiting(const struct ctl_args *args, json_t *vm)
{
    if (args->json) {
        json_t *reply = json_pack("{s:b, s:[O]}", "ok", 1, "vms", vm);
        ctl_print_json(reply);
        json_decref(reply);
    } else {
        printf("%s is protected\n", text_str(vm, "name").s);
    }
    return CTL_OK;
}

static void show(struct progress *progress, const json_t *vm)
{
    const json_t *sync = json_object_get(vm, "sync");

    progress_show(progress, status_progress(vm),
                  json_number_value(json_object_get(sync, "pages_done")),
                  json_number_value(json_object_get(sync, "pages_total")));
}

static bool is_over(const struct ctl_args *args, const json_t *vm, struct mono start)
{
    bool late = args->timeout_given && args->timeout_ms >= 0 &&
                mono_sub(mono_now(), start) > args->timeout_ms * NS_PER_MS;

    return late || json_is_true(json_object_get(vm, "protected")) ||
           is_final(text_str(vm, "state").s);
}

/* Until the VM is protected, cannot become so, or an explicit --timeout has passed; as look. */
static json_t *watch(const struct ctl_args *args, const char *path, struct ctl_failure *ret_why)
{
    const struct mono start = mono_now();
    struct progress progress;
    json_t *vm;

    progress_begin(&progress);
    while ((vm = look(args, path, ret_why))) {
        show(&progress, vm);
        if (is_over(args, vm, start))
            break;
        json_decref(vm);
        usleep(POLL_MS * 1000);
    }
    progress_end(&progress);
    return vm;
}

static int wait_protected(const struct ctl_args *args, const char *path)
{
    struct ctl_failure why;
    json_t *vm = watch(args, path, &why);
    int rc;

    if (!vm)
        rc = ctl_report(args, &why);
    else if (json_is_true(json_object_get(vm, "protected")))
        rc = done_waiting(args, vm);
    else if (is_final(text_str(vm, "state").s))
        rc = give_up(args, text_str(vm, "state").s);
    else
        rc = out_of_time(args);
    json_decref(vm);
    return rc;
}

int cmd_protect(const struct ctl_args *args)
{
    struct ctl_sockets to;
    struct ctl_failure why;
    int rc = check(args);
    if (rc != CTL_OK)
        return rc;

    ctl_sockets_one(args, args->backup, &to);
    json_t *request = protect_request(args);
    /* It comes when the backup has made room for the VM. */
    int patience_ms = args->wait && !args->timeout_given ? -1 : args->timeout_ms;
    json_t *reply = ctl_ask(to.path[0], request, patience_ms, &why);
    json_decref(request);
    if (!reply)
        return ctl_report(args, &why);
    if (args->json && !args->wait)
        ctl_print_json(reply);
    else if (!args->json)
        printf("%s (%s): accepted by %s; the first copy is under way\n", text_str(reply, "name").s,
               text_str(reply, "uuid").s, args->to);
    fflush(stdout);
    json_decref(reply);
    return args->wait ? wait_protected(args, to.path[0]) : CTL_OK;
}
