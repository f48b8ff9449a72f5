/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/mono.h"
#include "tools/remusctl_ask.h"
#include "tools/remusctl_commands.h"
#include "tools/remusctl_progress.h"

#define POLL_MS 500

/* The daemon has another working directory. NULL: there is none here. */
static char *absolute(const char *file)
{
    char *path = NULL;
    char *here = file[0] == '/' ? strdup("") : getcwd(NULL, 0);

    if (here && asprintf(&path, "%s%s%s", here, here[0] ? "/" : "", file) < 0)
        path = NULL;
    free(here);
    return path;
}

static json_t *export_request(const struct ctl_args *args, const char *path)
{
    json_t *request = ctl_request(args, "export");
    json_t *file = json_string(path); /* UTF-8 only */

    if (file)
        json_object_set_new(request, "file", file);
    if (args->force)
        json_object_set_new(request, "force", json_true());
    return request;
}

/* What the status says of it; silent when it says nothing, for the reply will tell. */
static void show(const struct ctl_args *args, const char *socket, struct progress *progress)
{
    struct ctl_failure why;
    json_t *request = ctl_request(args, "status");
    json_t *reply = ctl_ask(socket, request, POLL_MS, &why);
    const json_t *vm = json_array_get(json_object_get(reply, "vms"), 0);
    const json_t *export = json_object_get(vm, "export");
    double total = json_number_value(json_object_get(export, "bytes_total"));
    double done = json_number_value(json_object_get(export, "bytes"));

    if (total > 0)
        progress_show(progress,
                      text_of("%s of %s written", text_bytes(export, "bytes").s,
                              text_bytes(export, "bytes_total").s),
                      done, total);
    json_decref(request);
    json_decref(reply);
}

/* The reply, whenever it comes; only an explicit --timeout ends the wait. */
static json_t *await(const struct ctl_args *args, struct ctl_conversation *c, const char *socket,
                     struct ctl_failure *why)
{
    const struct mono start = mono_now();
    struct progress progress;
    json_t *reply;

    progress_begin(&progress);
    for (;;) {
        reply = ctl_await(c, socket, POLL_MS, why);
        if (reply || why->exit != CTL_TIMEOUT)
            break;
        if (args->timeout_given && args->timeout_ms >= 0 &&
            mono_sub(mono_now(), start) > args->timeout_ms * NS_PER_MS) {
            (void)err_set(&why->err, "no file is left behind", "the export took too long");
            break;
        }
        show(args, socket, &progress);
    }
    progress_end(&progress);
    return reply;
}

int cmd_export(const struct ctl_args *args)
{
    struct ctl_conversation c;
    struct ctl_failure why;
    struct ctl_sockets to;
    json_t *reply = NULL;
    char *path = absolute(args->file);

    if (!path)
        return ctl_usage_error("name an absolute path", "the working directory is gone");
    ctl_sockets_one(args, true, &to);
    json_t *request = export_request(args, path);
    free(path);
    if (ctl_begin(&c, to.path[0], request, &why) == CTL_OK)
        reply = await(args, &c, to.path[0], &why);
    json_decref(request);
    ctl_close(&c);
    if (!reply)
        return ctl_report(args, &why);
    if (args->json)
        ctl_print_json(reply);
    else
        printf("%s: epoch %s is in %s (%s)\n", text_str(reply, "name").s,
               text_num(reply, "epoch", 0).s, text_str(reply, "file").s,
               text_bytes(reply, "bytes").s);
    json_decref(reply);
    return CTL_OK;
}
