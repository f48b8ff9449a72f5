/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/remusctl_commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/remusctl_ask.h"
#include "tools/remusctl_status.h"

#define WATCH_S 1
/* A guest that was asked to suspend is waited for before it is left alone. */
#define UNPROTECT_MS 90000

/* One request to one daemon whose answer is yes or no; `done` is what a yes means. */
static int ask_one(const struct ctl_args *args, bool backupd, json_t *request, int timeout_ms,
                   const char *done)
{
    struct ctl_sockets to;
    struct ctl_failure why;

    ctl_sockets_one(args, backupd, &to);
    json_t *reply = ctl_ask(to.path[0], request, timeout_ms, &why);
    json_decref(request);
    if (!reply)
        return ctl_report(args, &why);
    if (args->json)
        ctl_print_json(reply);
    else
        printf("%s %s\n", text_of("%s", args->vm).s, done);
    json_decref(reply);
    return CTL_OK;
}

static json_t *request_with_force(const struct ctl_args *args, const char *cmd)
{
    json_t *request = ctl_request(args, cmd);
    if (args->force)
        json_object_set_new(request, "force", json_true());
    return request;
}

int cmd_unprotect(const struct ctl_args *args)
{
    int timeout_ms = args->timeout_given ? args->timeout_ms : UNPROTECT_MS;
    return ask_one(args, args->backup, request_with_force(args, "unprotect"), timeout_ms,
                   "is no longer protected");
}

int cmd_failover(const struct ctl_args *args)
{
    if (args->backup && !args->force)
        return ctl_usage_error("at the primary: remusctl failover VM; when that host is dead: "
                               "remusctl --backup failover VM --force",
                               "at the backup a failover must be forced");
    if (args->force && !args->backup && !args->socket)
        return ctl_usage_error("remusctl --backup failover VM --force, on the backup host",
                               "--force is for the backup");
    return ask_one(args, args->backup, request_with_force(args, "failover"), args->timeout_ms,
                   args->force ? "runs here now" : "runs at the backup now");
}

int cmd_forget(const struct ctl_args *args)
{
    return ask_one(args, true, ctl_request(args, "forget"), args->timeout_ms, "is forgotten");
}

/* The VMs both daemons know, or NULL when that was reported; *ret_rc is then the exit status. */
static json_t *all_vms(const struct ctl_args *args, const char *cmd, int *ret_rc)
{
    struct ctl_sockets to;
    struct ctl_failure why;

    ctl_sockets_all(args, &to);
    json_t *request = ctl_request(args, cmd);
    json_t *vms = ctl_ask_all(&to, request, "vms", args->timeout_ms, &why);
    json_decref(request);
    if (vms && args->vm && json_array_size(vms) == 0) {
        json_decref(vms);
        vms = NULL;
        why = (struct ctl_failure){.exit = CTL_UNKNOWN_VM, .code = "unknown-vm"};
        (void)err_set(&why.err, "see remusctl list", "no daemon here knows a VM %s",
                      text_of("%s", args->vm).s);
    }
    *ret_rc = vms ? CTL_OK : ctl_report(args, &why);
    return vms;
}

static void print_vms_json(json_t *vms)
{
    json_t *reply = json_pack("{s:b, s:O}", "ok", 1, "vms", vms);
    ctl_print_json(reply);
    json_decref(reply);
}

int cmd_list(const struct ctl_args *args)
{
    int rc;
    json_t *vms = all_vms(args, "list", &rc);
    if (!vms)
        return rc;
    if (args->json)
        print_vms_json(vms);
    else
        status_print_list(vms);
    json_decref(vms);
    return rc;
}

static void print_status(const struct ctl_args *args, json_t *vms)
{
    size_t i;
    json_t *vm;
    if (args->json) {
        print_vms_json(vms);
    } else if (!args->vm) {
        status_print_table(vms);
    } else {
        json_array_foreach(vms, i, vm)
        {
            status_print_detail(vm);
        }
    }
}

/* Where both daemons know the VM, the primary has the say: it knows whether the VM runs. */
static bool is_good(const json_t *vms)
{
    const json_t *decides = json_array_get(vms, 0);
    size_t i;
    json_t *vm;
    json_array_foreach(vms, i, vm)
    {
        if (strcmp(text_str(vm, "role").s, "primary") == 0)
            decides = vm;
    }
    return status_is_good(decides);
}

static int status_once(const struct ctl_args *args)
{
    int rc;
    json_t *vms = all_vms(args, "status", &rc);
    if (!vms)
        return rc;
    print_status(args, vms);
    if (args->vm && !is_good(vms))
        rc = CTL_UNPROTECTED;
    json_decref(vms);
    return rc;
}

int cmd_status(const struct ctl_args *args)
{
    bool clear = args->watch && !args->json && isatty(STDOUT_FILENO) == 1;
    int rc;
    for (;;) {
        if (clear)
            fputs("\033[H\033[J", stdout);
        rc = status_once(args);
        bool failed = rc != CTL_OK && rc != CTL_UNPROTECTED;
        if (!args->watch || failed || fflush(stdout) != 0)
            return rc;
        sleep(WATCH_S);
    }
}
