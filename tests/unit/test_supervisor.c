/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/events.h"
#include "engine/base/fault.h"
#include "engine/base/supervisor.h"

#define U1 "11111111-2222-3333-4444-555555555555"
#define U2 "aaaaaaaa-2222-3333-4444-555555555555"

/* ---- the child: what this same binary is when started with --child ---- */

static int say(json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    ssize_t sent = send(CHAN_CHILD_FD, text, strlen(text), MSG_NOSIGNAL);

    free(text);
    json_decref(message);
    return sent < 0;
}

static void obey(const char *cmd, json_int_t id, const json_t *command)
{
    if (strcmp(cmd, "ping") == 0)
        say(json_pack("{s:s, s:I, s:b, s:O}", "type", "reply", "id", id, "ok", 1, "got",
                      (json_t *)command));
    else if (strcmp(cmd, "crash") == 0)
        raise(SIGKILL);
    else if (strcmp(cmd, "event") == 0)
        say(json_pack("{s:s, s:s, s:s}", "type", "event", "event", "boo", "text", "a ghost"));
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

/* Options: --stubborn ignores the shutdown, --late sends no status. */
static int child_main(const char *uuid, const char *option)
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
    while ((len = recv(CHAN_CHILD_FD, text, sizeof(text), 0)) > 0) {
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

/* ---- the parent ---- */

static struct event_base *base;
static struct supervisor *sup;
static struct supervisor_args args;
static char dir[64], path[96];
static struct err err;
static struct ctl_buf buf;
static int fd;

static struct {
    int count;
    bool on_purpose, respawn;
    int status;
    char name[SUPERVISOR_NAME_MAX];
} gone;

static void on_gone(struct vm_child *child, bool on_purpose, int wait_status, void *arg)
{
    assert_ptr_equal(arg, &gone);
    gone.count++;
    gone.on_purpose = on_purpose;
    gone.status = wait_status;
    snprintf(gone.name, sizeof(gone.name), "%s", child->name);
    if (gone.respawn)
        assert_non_null(supervisor_spawn(sup, &child->uuid, child->name, &err));
    gone.respawn = false;
}

/* Every other command goes to the VM's child. */
static void on_command(struct ctl_conn *conn, const char *cmd, json_t *request, void *arg)
{
    struct vm_child *child = supervisor_lookup(sup, conn, request);

    assert_ptr_equal(arg, &gone);
    assert_string_equal(cmd, json_string_value(json_object_get(request, "cmd")));
    if (child)
        supervisor_command(child, request, -1, conn);
}

static int set_up(void **state)
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
        .arg = &gone,
    };
    sup = supervisor_new(&args, &err);
    if (!sup)
        return -1;
    fd = ctl_connect(path, &err);
    return fd < 0;
}

static int tear_down(void **state)
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

static struct vm_child *spawn(const char *uuid_text)
{
    struct uuid uuid;

    assert_int_equal(uuid_parse(uuid_text, &uuid), 0);
    struct vm_child *child = supervisor_spawn(sup, &uuid, "", &err);
    assert_non_null(child);
    return child;
}

/* With the child's first status its name is known. */
static struct vm_child *spawn_named(const char *uuid_text)
{
    struct vm_child *child = spawn(uuid_text);

    while (!child->name[0])
        event_base_loop(base, EVLOOP_ONCE);
    return child;
}

static json_t *read_line(void)
{
    for (;;) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        json_t *line = ctl_read(fd, &buf, 1, &err);
        if (line)
            return line;
        assert_int_equal(errno, ETIMEDOUT);
    }
}

static json_t *ask(const char *cmd, const char *vm)
{
    json_t *request = json_pack("{s:s, s:s*}", "cmd", cmd, "vm", vm);

    assert_int_equal(ctl_send(fd, request, &err), 0);
    json_decref(request);
    return read_line();
}

static void expect(json_t *reply, const char *code)
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
static bool has_event(const char *name, const char *text)
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

static void tells_its_version(void **state)
{
    json_t *reply = ask("version", NULL);
    (void)state;

    assert_string_equal(json_string_value(json_object_get(reply, "daemon")), "testd");
    assert_string_equal(json_string_value(json_object_get(reply, "version")), REMUS_VERSION);
    assert_int_equal(json_integer_value(json_object_get(reply, "pid")), getpid());
    expect(reply, NULL);
}

static void finds_by_uuid_and_by_name(void **state)
{
    (void)state;
    spawn_named(U1);
    spawn_named(U2);
    assert_int_equal(supervisor_count(sup), 2);
    assert_string_equal(supervisor_first(sup)->uuid_text, U1);
    assert_string_equal(supervisor_next(supervisor_first(sup))->uuid_text, U2);
    expect(ask("ping", U1), NULL);
    expect(ask("ping", "AAAAAAAA-2222-3333-4444-555555555555"), NULL);
    expect(ask("ping", "vm-a"), NULL);
    expect(ask("ping", "vm-b"), "unknown-vm");
    expect(ask("ping", "bbbbbbbb-2222-3333-4444-555555555555"), "unknown-vm");
    expect(ask("ping", ""), "bad-request");
    expect(ask("ping", NULL), "bad-request");
    expect(ask("status", "nobody"), "unknown-vm");
}

static void name_of_two_is_refused(void **state)
{
    (void)state;
    spawn_named(U1);
    spawn_named("12222222-2222-3333-4444-555555555555"); /* calls itself vm-1 as well */
    json_t *reply = ask("ping", "vm-1");
    assert_non_null(strstr(json_string_value(json_object_get(reply, "hint")), "UUID"));
    expect(reply, "unknown-vm");
    expect(ask("ping", U1), NULL);
}

static void passes_commands_and_replies(void **state)
{
    (void)state;
    spawn(U1);
    json_t *request = json_pack("{s:s, s:s, s:i}", "cmd", "ping", "vm", U1, "n", 7);
    assert_int_equal(ctl_send(fd, request, &err), 0);
    json_decref(request);
    json_t *reply = read_line();
    json_t *got = json_object_get(reply, "got");
    assert_int_equal(json_integer_value(json_object_get(got, "n")), 7);
    assert_true(json_integer_value(json_object_get(got, "id")) > 0);
    assert_null(json_object_get(reply, "id"));
    assert_null(json_object_get(reply, "type"));
    expect(reply, NULL);
}

static void death_answers_and_is_reported(void **state)
{
    (void)state;
    spawn_named(U1);
    expect(ask("crash", U1), "failed");
    assert_int_equal(gone.count, 1);
    assert_false(gone.on_purpose);
    assert_true(WIFSIGNALED(gone.status) && WTERMSIG(gone.status) == SIGKILL);
    assert_string_equal(gone.name, "vm-1");
    assert_int_equal(supervisor_count(sup), 0);
    assert_true(has_event("child-died", "signal 9"));
}

static void last_words_are_heard(void **state)
{
    (void)state;
    spawn(U1);
    expect(ask("last-words", U1), NULL);
    while (!gone.count)
        event_base_loop(base, EVLOOP_ONCE);
    assert_true(gone.on_purpose);
    assert_int_equal(WEXITSTATUS(gone.status), 5);
    assert_false(has_event("child-died", ""));
}

static void may_be_spawned_anew_when_gone(void **state)
{
    (void)state;
    spawn(U1);
    gone.respawn = true;
    expect(ask("crash", U1), "failed");
    assert_int_equal(supervisor_count(sup), 1);
    expect(ask("ping", U1), NULL);
}

static void asker_may_hang_up_first(void **state)
{
    json_t *request = json_pack("{s:s, s:s}", "cmd", "mute", "vm", U1);
    (void)state;

    spawn(U1);
    assert_int_equal(ctl_send(fd, request, &err), 0);
    json_decref(request);
    event_base_loop(base, EVLOOP_NONBLOCK);
    close(fd);
    fd = ctl_connect(path, &err);
    expect(ask("ping", U1), NULL);
    expect(ask("crash", U1), "failed");
}

static void one_child_per_vm(void **state)
{
    struct uuid uuid;
    (void)state;

    spawn(U1);
    assert_int_equal(uuid_parse(U1, &uuid), 0);
    assert_ptr_equal(supervisor_find(sup, &uuid), supervisor_first(sup));
    assert_null(supervisor_spawn(sup, &uuid, "x", &err));
    assert_int_equal(errno, EEXIST);
}

static void spawn_may_fail(void **state)
{
    struct uuid uuid;
    (void)state;

    setenv("REMUS_FAULT", "parent_spawn:1:fail", 1);
    assert_int_equal(fault_init(), 0);
    unsetenv("REMUS_FAULT");
    assert_int_equal(uuid_parse(U1, &uuid), 0);
    assert_null(supervisor_spawn(sup, &uuid, "x", &err));
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(supervisor_count(sup), 0);
    spawn(U1);
}

static json_t *only_status(json_t *reply)
{
    json_t *vms = json_object_get(reply, "vms");

    assert_int_equal(json_array_size(vms), 1);
    return json_array_get(vms, 0);
}

static void start_with_option(const char *const *options)
{
    args.child_options = options;
    supervisor_free(sup);
    sup = supervisor_new(&args, &err);
    assert_non_null(sup);
    close(fd);
    fd = ctl_connect(path, &err);
    assert_true(fd >= 0);
}

static void status_before_the_first_one(void **state)
{
    static const char *const options[] = {"--late", NULL};
    (void)state;

    start_with_option(options);
    struct vm_child *child = spawn(U1);
    json_t *reply = ask("list", NULL);
    json_t *status = only_status(reply);
    assert_string_equal(json_string_value(json_object_get(status, "state")), "connecting");
    assert_string_equal(json_string_value(json_object_get(status, "role")), "primary");
    assert_string_equal(json_string_value(json_object_get(status, "uuid")), U1);
    assert_int_equal(json_integer_value(json_object_get(status, "pid")), child->pid);
    assert_true(json_is_false(json_object_get(status, "protected")));
    expect(reply, NULL);
}

static void silence_degrades(void **state)
{
    (void)state;
    struct vm_child *child = spawn_named(U1);
    json_t *reply = ask("status", "vm-1");
    assert_int_equal(json_array_size(json_object_get(only_status(reply), "degraded")), 0);
    expect(reply, NULL);

    child->heard = mono_add(mono_now(), -10 * NS_PER_S);
    reply = ask("status", U1);
    json_t *status = only_status(reply);
    json_t *cause = json_array_get(json_object_get(status, "degraded"), 0);
    assert_string_equal(json_string_value(json_object_get(cause, "cause")), "not-responding");
    assert_true(json_integer_value(json_object_get(cause, "for_ms")) >= 10000);
    assert_true(json_integer_value(json_object_get(status, "age_ms")) >= 10000);
    expect(reply, NULL);
    while (!child->silent)
        event_base_loop(base, EVLOOP_ONCE);
    child->heard = mono_now();
    while (child->silent)
        event_base_loop(base, EVLOOP_ONCE);
    assert_true(has_event("not-responding", ""));
    assert_true(has_event("restored", ""));
}

static void events_are_relayed(void **state)
{
    json_t *request = json_pack("{s:s, s:b}", "cmd", "events", "follow", 1);
    (void)state;

    struct vm_child *child = spawn_named(U1);
    assert_int_equal(ctl_send(fd, request, &err), 0);
    json_decref(request);
    expect(read_line(), NULL);
    request = json_pack("{s:s}", "cmd", "event");
    assert_int_equal(supervisor_command(child, request, -1, NULL), 0);
    json_decref(request);
    json_t *event = read_line();
    assert_string_equal(json_string_value(json_object_get(event, "event")), "boo");
    assert_string_equal(json_string_value(json_object_get(event, "uuid")), U1);
    assert_string_equal(json_string_value(json_object_get(event, "name")), "vm-1");
    json_decref(event);
    supervisor_event(sup, NULL, LOG_LEVEL_WARN, "odd", "n=%d", 3);
    event = read_line();
    assert_string_equal(json_string_value(json_object_get(event, "level")), "warn");
    assert_string_equal(json_string_value(json_object_get(event, "text")), "n=3");
    assert_string_equal(json_string_value(json_object_get(event, "uuid")), "");
    json_decref(event);
}

static void odd_children_are_survived(void **state)
{
    json_t *request = json_pack("{s:s}", "cmd", "garbage");
    (void)state;

    struct vm_child *child = spawn_named(U1);
    assert_int_equal(supervisor_command(child, request, -1, NULL), 0);
    json_decref(request);
    expect(ask("ping", U1), NULL);
    request = json_pack("{s:s}", "cmd", "close");
    assert_int_equal(supervisor_command(child, request, -1, NULL), 0);
    json_decref(request);
    while (child->chan)
        event_base_loop(base, EVLOOP_ONCE);
    expect(ask("ping", U1), "failed");
    assert_int_equal(gone.count, 0);
    kill(child->pid, SIGKILL);
    while (!gone.count)
        event_base_loop(base, EVLOOP_ONCE);
}

static void shutdown_waits_for_all(void **state)
{
    struct uuid uuid;
    (void)state;

    spawn(U1);
    spawn(U2);
    supervisor_shutdown(sup, 60000);
    event_base_dispatch(base);
    assert_int_equal(gone.count, 2);
    assert_true(gone.on_purpose);
    assert_int_equal(uuid_parse(U1, &uuid), 0);
    assert_null(supervisor_spawn(sup, &uuid, "x", &err));
    assert_int_equal(errno, ESHUTDOWN);
    expect(ask("ping", U1), "busy");
}

static void shutdown_of_nothing_is_immediate(void **state)
{
    (void)state;
    supervisor_shutdown(sup, 60000);
    event_base_dispatch(base);
}

static void shutdown_does_not_wait_for_ever(void **state)
{
    static const char *const options[] = {"--stubborn", NULL};
    (void)state;

    start_with_option(options);
    struct vm_child *child = spawn_named(U1);
    assert_string_equal(child->name, "vm!1"); /* options reached it */
    pid_t pid = child->pid;
    supervisor_shutdown(sup, 30);
    event_base_dispatch(base);
    assert_int_equal(gone.count, 0);
    supervisor_free(sup);
    sup = NULL;
    assert_int_equal(waitpid(pid, &gone.status, 0), pid);
    assert_int_equal(WEXITSTATUS(gone.status), 0); /* it saw EOF */
}

static void ring_keeps_the_newest(void **state)
{
    static struct events ring;
    (void)state;

    for (int i = 0; i < EVENTS_MAX + 10; i++) {
        json_t *event = json_pack("{s:i}", "n", i);
        events_add(&ring, event);
        json_decref(event);
    }
    json_t *list = events_list(&ring);
    assert_int_equal(json_array_size(list), EVENTS_MAX);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "n")), 10);
    json_decref(list);

    char text[100001];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    json_t *big = json_pack("{s:s}", "t", text);
    for (int i = 0; i < 50; i++)
        events_add(&ring, big);
    json_decref(big);
    list = events_list(&ring);
    assert_int_equal(json_array_size(list), EVENTS_BYTES_MAX / (sizeof(text) + 7));
    json_decref(list);
    events_clear(&ring);
    assert_int_equal(ring.bytes, 0);
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[argc - 2], "--child") == 0)
        return child_main(argv[argc - 1], argv[1]);

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(tells_its_version),
        T(finds_by_uuid_and_by_name),
        T(name_of_two_is_refused),
        T(passes_commands_and_replies),
        T(death_answers_and_is_reported),
        T(last_words_are_heard),
        T(may_be_spawned_anew_when_gone),
        T(asker_may_hang_up_first),
        T(one_child_per_vm),
        T(spawn_may_fail),
        T(status_before_the_first_one),
        T(silence_degrades),
        T(events_are_relayed),
        T(odd_children_are_survived),
        T(shutdown_waits_for_all),
        T(shutdown_of_nothing_is_immediate),
        T(shutdown_does_not_wait_for_ever),
        cmocka_unit_test(ring_keeps_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
