/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fixture_supervisor.h"

static void death_answers(void **state)
{
    (void)state;
    spawn_named(U1);
    expect(ask("crash", U1), "failed");
    assert_int_equal(gone.count, 1);
    assert_false(gone.on_purpose);
    assert_non_null(strstr(gone.how, "signal 9"));
    assert_string_equal(gone.name, "vm-1");
    assert_int_equal(supervisor_count(sup), 0);
}

static void last_words_are_heard(void **state)
{
    (void)state;
    spawn(U1);
    expect(ask("last-words", U1), NULL);
    while (!gone.count)
        event_base_loop(base, EVLOOP_ONCE);
    assert_true(gone.on_purpose);
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

/* How many VMs `status` shows as waiting for a new child. */
static size_t waiting(const char *vm)
{
    json_t *reply = ask("status", vm), *status;
    size_t i, n = 0;

    json_array_foreach(json_object_get(reply, "vms"), i, status)
    {
        if (strcmp(json_string_value(json_object_get(status, "state")), "restarting") != 0)
            continue;
        json_t *cause = json_array_get(json_object_get(status, "degraded"), 0);
        assert_string_equal(json_string_value(json_object_get(cause, "cause")), "no-process");
        assert_string_equal(json_string_value(json_object_get(cause, "text")), "it died");
        assert_string_equal(json_string_value(json_object_get(status, "uuid")), U1);
        assert_true(json_is_false(json_object_get(status, "protected")));
        n++;
    }
    json_decref(reply);
    return n;
}

/* Dies at once each time: the pauses are soon long enough to be seen. */
static void die_in_a_row(void)
{
    gone.respawn_later = true;
    spawn_named(U1);
    while (gone.count < 8) {
        json_t *reply = ask("crash", U1);
        json_decref(reply);
    }
}

static void dead_child_is_listed_until_it_is_back(void **state)
{
    (void)state;
    spawn_named(U2);
    die_in_a_row();
    assert_int_equal(waiting(NULL), 1);
    assert_int_equal(waiting(U1), 1);
    assert_int_equal(waiting("vm-1"), 1);
    assert_int_equal(waiting("vm-a"), 0);
    expect(ask("ping", U1), "unknown-vm");
    expect(ask("status", "nobody"), "unknown-vm");
    while (supervisor_count(sup) < 2)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(waiting(NULL), 0);
    expect(ask("ping", U1), NULL);
}

static void dead_child_that_nobody_wants_is_not_listed(void **state)
{
    struct uuid uuid;
    (void)state;

    assert_int_equal(uuid_parse(U1, &uuid), 0);
    die_in_a_row();
    supervisor_respawn_never(sup, &uuid);
    assert_int_equal(waiting(NULL), 0);
    expect(ask("status", U1), "unknown-vm");
}

static void started_by_hand_it_waits_no_more(void **state)
{
    (void)state;
    die_in_a_row();
    spawn(U1);
    assert_int_equal(waiting(NULL), 0);
    expect(ask("status", U1), NULL);
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

/* The command number that the child's event `name` is about; 0: no such event yet. */
static json_int_t event_of(const char *name)
{
    json_t *reply = ask("events", NULL), *event;
    json_int_t of = 0;
    size_t i;

    json_array_foreach(json_object_get(reply, "events"), i, event)
    {
        if (strcmp(json_string_value(json_object_get(event, "event")), name) == 0)
            of = json_integer_value(json_object_get(event, "of"));
    }
    json_decref(reply);
    return of;
}

static void work_that_nobody_waits_for_is_cancelled(void **state)
{
    json_t *request = json_pack("{s:s, s:s}", "cmd", "long-work", "vm", U1);
    json_int_t begun, cancelled;
    int worker = ctl_connect(path, &err);
    (void)state;

    spawn(U1);
    assert_int_equal(ctl_send(worker, request, &err), 0);
    json_decref(request);
    while ((begun = event_of("begun")) == 0)
        ;
    expect(ask("ping", U1), NULL);
    assert_int_equal(event_of("cancelled"), 0);
    close(worker);
    while ((cancelled = event_of("cancelled")) == 0)
        ;
    assert_int_equal(cancelled, begun);
    expect(ask("crash", U1), "failed"); /* with what was never answered */
}

static void one_child_per_vm(void **state)
{
    struct uuid uuid;
    (void)state;

    spawn(U1);
    assert_int_equal(uuid_parse(U1, &uuid), 0);
    assert_string_equal(supervisor_find(sup, &uuid)->uuid_text, U1);
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
    raise(SIGTERM);
    event_base_dispatch(base);
    assert_int_equal(gone.stops, 1);
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
    raise(SIGINT);
    event_base_dispatch(base);
    assert_int_equal(gone.stops, 1);
}

static void no_address_is_told_when_stopping(void **state)
{
    static const char *const options[] = {"--stubborn", NULL};
    (void)state;

    args.listen = "192.0.2.1:7777";
    start_with_option(options);
    spawn_named(U1);
    json_t *before = ask("version", NULL);
    assert_string_equal(json_string_value(json_object_get(before, "listen")), args.listen);
    json_decref(before);
    raise(SIGTERM);
    while (!gone.stops)
        event_base_loop(base, EVLOOP_ONCE);
    json_t *after = ask("version", NULL);
    assert_null(json_object_get(after, "listen"));
    json_decref(after);
}

static void shutdown_does_not_wait_for_ever(void **state)
{
    static const char *const options[] = {"--stubborn", NULL};
    (void)state;

    args.stop_ms = 30;
    start_with_option(options);
    struct vm_child *child = spawn_named(U1);
    assert_string_equal(child->name, "vm!1"); /* options reached it */
    pid_t pid = child->pid;
    raise(SIGTERM);
    event_base_dispatch(base);
    assert_int_equal(gone.count, 0);
    supervisor_free(sup);
    sup = NULL;
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0); /* it saw EOF */
}

int main(int argc, char **argv)
{
    be_child_if_asked(argc, argv);
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(death_answers),
        T(last_words_are_heard),
        T(may_be_spawned_anew_when_gone),
        T(dead_child_is_listed_until_it_is_back),
        T(dead_child_that_nobody_wants_is_not_listed),
        T(started_by_hand_it_waits_no_more),
        T(asker_may_hang_up_first),
        T(work_that_nobody_waits_for_is_cancelled),
        T(one_child_per_vm),
        T(spawn_may_fail),
        T(odd_children_are_survived),
        T(shutdown_waits_for_all),
        T(shutdown_of_nothing_is_immediate),
        T(no_address_is_told_when_stopping),
        T(shutdown_does_not_wait_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
