/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_FIXTURE_SUPERVISOR_H
#define REMUS_FIXTURE_SUPERVISOR_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/fault.h"
#include "engine/base/supervisor.h"

/**
 * A supervisor whose children are the test program itself, started with --child; and a client at
 * its control socket.
 */

#define U1 "11111111-2222-3333-4444-555555555555"
#define U2 "aaaaaaaa-2222-3333-4444-555555555555"

static inline int say(json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    ssize_t sent = send(CHAN_CHILD_FD, text, strlen(text), MSG_NOSIGNAL);

    free(text);
    json_decref(message);
    return sent < 0;
}

static inline void obey(const char *cmd, json_int_t id, const json_t *command)
{
    if (strcmp(cmd, "ping") == 0)
        say(json_pack("{s:s, s:I, s:b, s:O}", "type", "reply", "id", id, "ok", 1, "got",
                      (json_t *)command));
    else if (strcmp(cmd, "crash") == 0)
        raise(SIGKILL);
    else if (strcmp(cmd, "event") == 0)
        say(json_pack("{s:s, s:s, s:s}", "type", "event", "event", "boo", "text", "a ghost"));
    else if (strcmp(cmd, "cancel") == 0)
        say(json_pack("{s:s, s:s, s:O}", "type", "event", "event", "cancelled", "of",
                      json_object_get(command, "of")));
    else if (strcmp(cmd, "long-work") == 0)
        say(json_pack("{s:s, s:s, s:I}", "type", "event", "event", "begun", "of", id));
    else if (strcmp(cmd, "garbage") == 0)
        say(json_pack("{s:s}", "type", "what"));
    else if (strcmp(cmd, "close") == 0)
        close(CHAN_CHILD_FD);
    if (strcmp(cmd, "last-words") == 0) {
        say(json_pack("{s:s, s:I, s:b}", "type", "reply", "id", id, "ok", 1));
        say(json_pack("{s:s}", "type", "done"));
        _exit(5);
    }
}

/* A parent that ended without having read all: that is told once, before its end. */
static inline ssize_t hear(char *text, size_t size)
{
    ssize_t len;

    do
        len = recv(CHAN_CHILD_FD, text, size, 0);
    while (len < 0 && errno == ECONNRESET);
    return len;
}

/* Options: --stubborn ignores the shutdown, --late sends no status. */
static inline int child_main(const char *uuid, const char *option)
{
    bool stubborn = strcmp(option, "--stubborn") == 0;
    char text[4096], name[] = "vm-?";
    ssize_t len;

    name[3] = uuid[0];
    if (stubborn)
        name[2] = '!';
    if (strcmp(option, "--late") != 0)
        say(json_pack("{s:s, s:{s:s, s:s, s:s, s:[]}}", "type", "status", "status", "uuid", uuid,
                      "name", name, "state", "protected", "degraded"));
    while ((len = hear(text, sizeof(text))) > 0) {
        json_t *command = json_loadb(text, (size_t)len, 0, NULL);
        const char *cmd = json_string_value(json_object_get(command, "cmd"));
        bool end = strcmp(cmd, "shutdown") == 0 && !stubborn;
        obey(cmd, json_integer_value(json_object_get(command, "id")), command);
        json_decref(command);
        if (end)
            return say(json_pack("{s:s}", "type", "done"));
    }
    while (len < 0) /* "close": alive, but not to be talked to */
        pause();
    return 0;
}

static struct event_base *base;
static struct supervisor *sup;
static struct supervisor_args args;
static char dir[64], path[96];
static struct err err;
static struct ctl_buf buf;
static int fd;

static struct {
    int count, stops;
    bool on_purpose, respawn, respawn_later;
    char how[80];
    char name[SUPERVISOR_NAME_MAX];
} gone;

static inline void on_gone(struct vm_child *child, const char *how, void *arg)
{
    assert_ptr_equal(arg, &gone);
    gone.count++;
    gone.on_purpose = !how;
    snprintf(gone.how, sizeof(gone.how), "%s", how ? how : "");
    snprintf(gone.name, sizeof(gone.name), "%s", child->name);
    if (gone.respawn)
        assert_non_null(supervisor_spawn(sup, &child->uuid, child->name, &err));
    gone.respawn = false;
    if (gone.respawn_later)
        supervisor_respawn_later(sup, &child->uuid, child->name, "it died");
}

static inline void on_respawn(const struct uuid *uuid, const char *name, void *arg)
{
    assert_ptr_equal(arg, &gone);
    assert_non_null(supervisor_spawn(sup, uuid, name, &err));
}

static inline void on_stop(void *arg)
{
    assert_ptr_equal(arg, &gone);
    gone.stops++;
}

/* Every other command goes to the VM's child. */
static inline void on_command(struct ctl_conn *conn, const char *cmd, json_t *request, void *arg)
{
    struct vm_child *child = supervisor_lookup(sup, conn, request);

    assert_ptr_equal(arg, &gone);
    assert_string_equal(cmd, json_string_value(json_object_get(request, "cmd")));
    if (child && strcmp(cmd, "long-work") == 0)
        supervisor_command_until_gone(child, request, conn);
    else if (child)
        supervisor_command(child, request, -1, conn);
}

static inline int set_up(void **state)
{
    (void)state;
    memset(&gone, 0, sizeof(gone));
    unsetenv("REMUS_FAULT");
    snprintf(dir, sizeof(dir), "/tmp/test_sup_XXXXXX");
    if (fault_init() || !mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/d.sock", dir);
    base = event_base_new();
    args = (struct supervisor_args){
        .base = base,
        .daemon = "testd",
        .role = "primary",
        .first_state = "connecting",
        .control_socket = path,
        .on_command = on_command,
        .on_child_gone = on_gone,
        .on_respawn = on_respawn,
        .on_stop = on_stop,
        .stop_ms = 60000,
        .arg = &gone,
    };
    sup = supervisor_new(&args, &err);
    if (!sup)
        return -1;
    fd = ctl_connect(path, &err);
    return fd < 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    supervisor_free(sup);
    while (waitpid(-1, NULL, 0) > 0) /* all of them see EOF */
        ;
    close(fd);
    ctl_buf_free(&buf);
    event_base_free(base);
    return rmdir(dir);
}

static inline struct vm_child *spawn(const char *uuid_text)
{
    struct uuid uuid;

    assert_int_equal(uuid_parse(uuid_text, &uuid), 0);
    struct vm_child *child = supervisor_spawn(sup, &uuid, "", &err);
    assert_non_null(child);
    return child;
}

/* With the child's first status its name is known. */
static inline struct vm_child *spawn_named(const char *uuid_text)
{
    struct vm_child *child = spawn(uuid_text);

    while (!child->name[0])
        event_base_loop(base, EVLOOP_ONCE);
    return child;
}

static inline json_t *read_line(void)
{
    for (;;) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        json_t *line = ctl_read(fd, &buf, 1, &err);
        if (line)
            return line;
        assert_int_equal(errno, ETIMEDOUT);
    }
}

static inline json_t *ask(const char *cmd, const char *vm)
{
    json_t *request = json_pack("{s:s, s:s*}", "cmd", cmd, "vm", vm);

    assert_int_equal(ctl_send(fd, request, &err), 0);
    json_decref(request);
    return read_line();
}

static inline void expect(json_t *reply, const char *code)
{
    const char *got = json_string_value(json_object_get(reply, "code"));

    if (code) {
        assert_non_null(got);
        assert_string_equal(got, code);
    } else {
        assert_true(json_is_true(json_object_get(reply, "ok")));
    }
    json_decref(reply);
}

/* Is an event called `name` kept whose text has `text`? */
static inline bool has_event(const char *name, const char *text)
{
    json_t *reply = ask("events", NULL), *event;
    size_t i;
    bool found = false;

    json_array_foreach(json_object_get(reply, "events"), i, event)
    {
        static const char *const fields[] = {"time", "uuid", "name", "role", "level", "text"};
        for (size_t f = 0; f < ARRAY_LEN(fields); f++)
            assert_true(json_is_string(json_object_get(event, fields[f])));
        assert_true(json_is_integer(json_object_get(event, "mono_ns")));
        assert_null(json_object_get(event, "type"));
        found |= strcmp(json_string_value(json_object_get(event, "event")), name) == 0 &&
                 strstr(json_string_value(json_object_get(event, "text")), text);
    }
    json_decref(reply);
    return found;
}

static inline void start_with_option(const char *const *options)
{
    args.child_options = options;
    supervisor_free(sup);
    sup = supervisor_new(&args, &err);
    assert_non_null(sup);
    close(fd);
    fd = ctl_connect(path, &err);
    assert_true(fd >= 0);
}

/** For main(): ends here when this process is a child. */
static inline void be_child_if_asked(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[argc - 2], "--child") == 0)
        exit(child_main(argv[argc - 1], argv[1]));
}

#endif
