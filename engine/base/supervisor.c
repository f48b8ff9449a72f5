/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/supervisor_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/fault.h"

#define WATCH_MS          500
#define CHILD_OPTIONS_MAX 8

static void child_free(struct vm_child *child)
{
    chan_free(child->chan);
    json_decref(child->status);
    free(child);
}

static void bury(struct vm_child *child, int wait_status)
{
    struct supervisor *s = child->supervisor;
    char how[80];

    if (WIFSIGNALED(wait_status))
        snprintf(how, sizeof(how), "killed by signal %d (%s)", WTERMSIG(wait_status),
                 strsignal(WTERMSIG(wait_status)));
    else
        snprintf(how, sizeof(how), "exit status %d", WEXITSTATUS(wait_status));
    if (child->chan)
        chan_drain(child->chan); /* its last words: a reply, "done" */
    TAILQ_REMOVE(&s->children, child, link);
    supervisor_fail_asked(child);
    s->args.on_child_gone(child, child->done ? NULL : how, s->args.arg);
    child_free(child);
    if (s->stopping && TAILQ_EMPTY(&s->children))
        event_base_loopexit(s->args.base, NULL);
}

/* Only known children are waited for: a backend may have processes of its own. */
static void on_sigchld(evutil_socket_t sig, short what, void *arg)
{
    struct supervisor *s = arg;
    struct vm_child *next;
    int wait_status;

    (void)sig;
    (void)what;
    for (struct vm_child *child = TAILQ_FIRST(&s->children); child; child = next) {
        next = TAILQ_NEXT(child, link);
        if (waitpid(child->pid, &wait_status, WNOHANG) == child->pid)
            bury(child, wait_status);
    }
}

/* I6: a child that hangs cannot say so itself. */
static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    struct supervisor *s = arg;
    struct vm_child *child;

    (void)fd;
    (void)what;
    for (child = TAILQ_FIRST(&s->children); child; child = TAILQ_NEXT(child, link)) {
        bool silent = supervisor_age_ms(child) > SUPERVISOR_SILENT_MS;
        if (silent && !child->silent)
            supervisor_event(s, child, LOG_LEVEL_WARN, "not-responding",
                             "VM child %d sends no status", (int)child->pid);
        if (!silent && child->silent)
            supervisor_event(s, child, LOG_LEVEL_INFO, "restored", "VM child %d responds again",
                             (int)child->pid);
        child->silent = silent;
    }
}

static int start(struct supervisor *s, struct err *err)
{
    struct event_base *base = s->args.base;

    s->sigchld = evsignal_new(base, SIGCHLD, on_sigchld, s);
    s->watch = event_new(base, -1, EV_PERSIST, on_watch, s);
    s->respawn = respawn_new(base, s->args.on_respawn, s->args.arg);
    if (!s->sigchld || !s->watch || !s->respawn || event_add(s->sigchld, NULL) ||
        event_add(s->watch, &(struct timeval){.tv_usec = WATCH_MS * 1000}) ||
        supervisor_stop_init(s)) {
        errno = ENOMEM;
        return err_errno(err, NULL, "cannot start %s", s->args.daemon);
    }
    s->ctl = ctl_server_new(base, s->args.control_socket, supervisor_on_request, s, err);
    return s->ctl ? 0 : -1;
}

struct supervisor *supervisor_new(const struct supervisor_args *args, struct err *err)
{
    struct supervisor *s = calloc(1, sizeof(*s));
    if (!s) {
        err_errno(err, NULL, "cannot start %s", args->daemon);
        return NULL;
    }
    s->args = *args;
    TAILQ_INIT(&s->children);
    TAILQ_INIT(&s->asked);
    if (start(s, err)) {
        int saved = errno;
        supervisor_free(s);
        errno = saved;
        return NULL;
    }
    return s;
}

void supervisor_free(struct supervisor *s)
{
    struct vm_child *child;

    if (!s)
        return;
    struct event *events[] = {s->sigchld, s->sigterm, s->sigint, s->watch, s->deadline};
    while ((child = TAILQ_FIRST(&s->children))) {
        TAILQ_REMOVE(&s->children, child, link);
        supervisor_fail_asked(child);
        child_free(child);
    }
    ctl_server_free(s->ctl);
    respawn_free(s->respawn);
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        if (events[i])
            event_free(events[i]);
    }
    events_clear(&s->events);
    free(s);
}

static pid_t fork_child(struct supervisor *s, const char *uuid_text, int *fd)
{
    char *argv[CHILD_OPTIONS_MAX + 4];
    size_t n = 0;

    argv[n++] = (char *)s->args.daemon;
    for (size_t i = 0; s->args.child_options && s->args.child_options[i]; i++) {
        if (i == CHILD_OPTIONS_MAX) {
            errno = E2BIG;
            return -1;
        }
        argv[n++] = (char *)s->args.child_options[i];
    }
    argv[n++] = "--child";
    argv[n++] = (char *)uuid_text;
    argv[n] = NULL;
    if (FAULT(parent_spawn)) {
        errno = EAGAIN;
        return -1;
    }
    return chan_spawn_self(argv, fd);
}

static int launch(struct supervisor *s, struct vm_child *child)
{
    int fd;

    if (s->stopping || supervisor_find(s, &child->uuid)) {
        errno = s->stopping ? ESHUTDOWN : EEXIST;
        return -1;
    }
    child->pid = fork_child(s, child->uuid_text, &fd);
    if (child->pid < 0)
        return -1;
    child->heard = mono_now();
    child->chan = chan_new(s->args.base, fd, supervisor_on_message, supervisor_on_closed, child);
    if (!child->chan) { /* the child sees EOF and ends; in the table, it will be waited for */
        log_err("channel to VM child %d", (int)child->pid);
        close(fd);
    }
    TAILQ_INSERT_TAIL(&s->children, child, link);
    respawn_cancel(s->respawn, &child->uuid);
    return 0;
}

struct vm_child *supervisor_spawn(struct supervisor *s, const struct uuid *uuid, const char *name,
                                  struct err *err)
{
    struct vm_child *child = calloc(1, sizeof(*child));

    if (child) {
        child->supervisor = s;
        child->uuid = *uuid;
        uuid_format(uuid, child->uuid_text);
        snprintf(child->name, sizeof(child->name), "%s", name);
        if (launch(s, child) == 0)
            return child;
    }
    char text[UUID_TEXT_LEN + 1];
    uuid_format(uuid, text);
    err_errno(err, NULL, "cannot start a process for VM %s", name[0] ? name : text);
    free(child);
    return NULL;
}

void supervisor_respawn_later(struct supervisor *s, const struct uuid *uuid, const char *name,
                              const char *why)
{
    respawn_later(s->respawn, uuid, name, why);
}

void supervisor_respawn_never(struct supervisor *s, const struct uuid *uuid)
{
    respawn_cancel(s->respawn, uuid);
}
