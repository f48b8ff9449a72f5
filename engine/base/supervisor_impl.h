/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SUPERVISOR_IMPL_H
#define REMUS_SUPERVISOR_IMPL_H

#include "engine/base/events.h"
#include "engine/base/respawn.h"
#include "engine/base/supervisor.h"

/*
 * supervisor.c (start, children, end), supervisor_stop.c (the end in good order), supervisor_talk.c
 * (commands to children, what comes back), supervisor_status.c (answers of its own). Nobody else
 * includes this.
 */

/* A command that a child has not answered yet. */
struct asked {
    TAILQ_ENTRY(asked) link;
    struct vm_child *child;
    json_int_t id;
    struct ctl_conn *conn;
    json_t *last; /* the answer, kept until the child has ended: the VM is then free again */
};

TAILQ_HEAD(vm_children, vm_child);
TAILQ_HEAD(asked_list, asked);

struct supervisor {
    struct supervisor_args args;
    struct ctl_server *ctl;
    struct event *sigchld, *sigterm, *sigint, *watch, *deadline;
    struct vm_children children;
    struct respawn *respawn; /* the VMs that should have a child */
    struct asked_list asked;
    struct events events;
    json_int_t last_id;
    bool stopping;
};

/* supervisor_stop.c; -1: no memory. */
int supervisor_stop_init(struct supervisor *s);

/* supervisor_talk.c: callbacks of a child's channel. */
void supervisor_on_message(struct chan *chan, json_t *message, int fd, void *arg);
void supervisor_on_closed(struct chan *chan, void *arg);

/* Tells everybody who waits for `child` that no answer will come. */
void supervisor_fail_asked(struct vm_child *child);

/* Milliseconds since `child` last sent a status. */
json_int_t supervisor_age_ms(const struct vm_child *child);

/* The control socket's request callback; `arg` is the supervisor. */
void supervisor_on_request(struct ctl_conn *conn, json_t *request, void *arg);

#endif
