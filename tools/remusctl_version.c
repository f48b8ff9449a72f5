/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "tools/remusctl_ask.h"
#include "tools/remusctl_commands.h"
#include "tools/remusctl_text.h"

/* What the daemon at `path` says of itself, or why it says nothing, and then *why. */
static json_t *ask(const struct ctl_args *args, const char *path, struct ctl_failure *why)
{
    json_t *request = ctl_request(args, "version");
    json_t *reply = ctl_ask(path, request, args->timeout_ms, why);

    json_decref(request);
    if (!reply)
        return json_pack("{s:s, s:s}", "socket", path, "error", why->err.text);
    json_object_del(reply, "ok");
    json_object_set_new(reply, "socket", json_string(path));
    return reply;
}

/* All of them; *ret is how it went: CTL_OK when at least one has answered. */
static json_t *ask_all(const struct ctl_args *args, enum ctl_exit *ret)
{
    json_t *daemons = json_array();
    struct ctl_sockets to;
    int answered = 0;

    ctl_sockets_all(args, &to);
    *ret = CTL_NO_DAEMON;
    for (int i = 0; i < to.n; i++) {
        struct ctl_failure why = {0};
        json_array_append_new(daemons, ask(args, to.path[i], &why));
        answered += why.exit == CTL_OK;
        if (why.exit != CTL_OK && why.exit != CTL_NO_DAEMON)
            *ret = why.exit;
    }
    if (answered)
        *ret = CTL_OK;
    return daemons;
}

static void print(const json_t *daemons)
{
    const json_t *d;
    size_t i;

    printf("remusctl %s\n", REMUS_VERSION);
    json_array_foreach(daemons, i, d)
    {
        if (json_object_get(d, "error"))
            printf("%s\n", text_str(d, "error").s);
        else
            printf("%s %s, process %s\n", text_str(d, "daemon").s, text_str(d, "version").s,
                   text_num(d, "pid", 0).s);
    }
}

int cmd_version(const struct ctl_args *args)
{
    enum ctl_exit rc;
    json_t *daemons = ask_all(args, &rc);

    if (args->json) {
        json_t *reply = json_pack("{s:b, s:s, s:O}", "ok", rc == CTL_OK, "remusctl", REMUS_VERSION,
                                  "daemons", daemons);
        ctl_print_json(reply);
        json_decref(reply);
    } else {
        print(daemons);
    }
    json_decref(daemons);
    if (rc != CTL_OK)
        fputs("remusctl: no daemon answers here\n", stderr);
    return (int)rc;
}
