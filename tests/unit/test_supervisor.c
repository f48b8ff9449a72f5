/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fixture_supervisor.h"

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

static json_t *only_status(json_t *reply)
{
    json_t *vms = json_object_get(reply, "vms");

    assert_int_equal(json_array_size(vms), 1);
    return json_array_get(vms, 0);
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
    json_t *cause = json_array_get(json_object_get(status, "degraded"), 0);
    assert_string_equal(json_string_value(json_object_get(cause, "cause")), "unprotected");
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

int main(int argc, char **argv)
{
    be_child_if_asked(argc, argv);
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(tells_its_version),           T(finds_by_uuid_and_by_name),   T(name_of_two_is_refused),
        T(passes_commands_and_replies), T(status_before_the_first_one), T(silence_degrades),
        T(events_are_relayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
