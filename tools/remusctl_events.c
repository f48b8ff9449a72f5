/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/remusctl_ask.h"
#include "tools/remusctl_commands.h"
#include "tools/remusctl_text.h"

static void print_event(const struct ctl_args *args, const json_t *event)
{
    if (args->json)
        ctl_print_json(event);
    else
        printf("%s  %-5s  %s %s: %s: %s\n", text_str(event, "time").s, text_str(event, "level").s,
               text_str(event, "role").s, text_str(event, "name").s, text_str(event, "event").s,
               text_str(event, "text").s);
}

/* Both daemons run on this host, so their monotonic times can be compared. */
static int by_time(const void *a, const void *b)
{
    json_int_t ta = json_integer_value(json_object_get(*(json_t *const *)a, "mono_ns"));
    json_int_t tb = json_integer_value(json_object_get(*(json_t *const *)b, "mono_ns"));
    return (ta > tb) - (ta < tb);
}

static void print_sorted(const struct ctl_args *args, const json_t *events)
{
    size_t n = json_array_size(events);
    json_t **sorted = calloc(n ? n : 1, sizeof(json_t *));
    if (!sorted)
        return;
    for (size_t i = 0; i < n; i++)
        sorted[i] = json_array_get(events, i);
    qsort(sorted, n, sizeof(json_t *), by_time);
    for (size_t i = 0; i < n; i++)
        print_event(args, sorted[i]);
    fflush(stdout);
    free(sorted);
}

/* Prints the lines that have come; false once the daemon is gone. */
static bool drain(const struct ctl_args *args, struct ctl_conversation *c)
{
    struct err err;
    json_t *line;
    while ((line = ctl_read(c->fd, &c->buf, 0, &err))) {
        print_event(args, line);
        json_decref(line);
    }
    fflush(stdout);
    return errno == ETIMEDOUT || errno == EAGAIN;
}

/* Until every daemon is gone or nobody reads our output any more. */
static void follow(const struct ctl_args *args, struct ctl_conversation *c, int n)
{
    struct pollfd fds[CTL_DAEMONS];
    int open = 0;

    for (int i = 0; i < n; i++) {
        fds[i] = (struct pollfd){.fd = c[i].fd, .events = POLLIN};
        if (c[i].fd >= 0 && !drain(args, &c[i]))
            fds[i].fd = -1;
        open += fds[i].fd >= 0;
    }
    while (open > 0 && !ferror(stdout)) {
        if (poll(fds, (nfds_t)n, -1) < 0 && errno != EINTR)
            return;
        for (int i = 0; i < n; i++) {
            if (fds[i].fd < 0 || !fds[i].revents || drain(args, &c[i]))
                continue;
            fds[i].fd = -1; /* poll skips it */
            open--;
        }
    }
}

static int report_end(const struct ctl_args *args)
{
    struct ctl_failure why = {.exit = CTL_NO_DAEMON, .code = CTL_CODE_NO_DAEMON};
    if (ferror(stdout))
        return CTL_FAILED;
    (void)err_set(&why.err, "it was stopped or dropped a reader that was too slow",
                  "the daemon ended the stream of events");
    return ctl_report(args, &why);
}

static int follow_events(const struct ctl_args *args, const struct ctl_sockets *to,
                         const json_t *request)
{
    static struct ctl_conversation c[CTL_DAEMONS];
    struct ctl_failure why, first = {0};
    json_t *past = json_array();
    int open = 0;

    for (int i = 0; i < to->n; i++) {
        json_t *reply = ctl_open(&c[i], to->path[i], request, args->timeout_ms, &why);
        if (reply)
            json_array_extend(past, json_object_get(reply, "events"));
        else if (first.exit == CTL_OK || first.absent)
            first = why;
        json_decref(reply);
        open += c[i].fd >= 0;
    }
    print_sorted(args, past);
    json_decref(past);
    if (open == 0)
        return ctl_report(args, &first);
    if (first.exit != CTL_OK && !first.absent)
        fprintf(stderr, "remusctl: warning: %s\n", first.err.text);
    follow(args, c, to->n);
    for (int i = 0; i < to->n; i++)
        ctl_close(&c[i]);
    return report_end(args);
}

int cmd_events(const struct ctl_args *args)
{
    struct ctl_sockets to;
    struct ctl_failure why;
    int rc = CTL_OK;

    ctl_sockets_all(args, &to);
    json_t *request = ctl_request(args, "events");
    if (args->follow) {
        json_object_set_new(request, "follow", json_true());
        rc = follow_events(args, &to, request);
    } else {
        json_t *events = ctl_ask_all(&to, request, "events", args->timeout_ms, &why);
        if (events)
            print_sorted(args, events);
        else
            rc = ctl_report(args, &why);
        json_decref(events);
    }
    json_decref(request);
    return rc;
}
