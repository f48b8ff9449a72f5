/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/base/respawn.h"

struct rig {
    struct event_base *base;
    struct respawn *respawn;
    unsigned starts;
    struct uuid last;
    uint8_t order[32]; /* of starts: the UUIDs' first octets */
    char name[400];
    unsigned dies; /* how many more times the child dies as it starts */
    bool frees;
};

static void on_start(const struct uuid *uuid, const char *name, void *arg)
{
    struct rig *r = arg;

    r->order[r->starts++] = uuid->byte[0];
    r->last = *uuid;
    strncpy(r->name, name, sizeof(r->name) - 1);
    if (r->dies > 0) {
        r->dies--;
        respawn_later(r->respawn, uuid, name, "died");
    }
    if (r->frees) {
        respawn_free(r->respawn);
        r->respawn = NULL;
    }
}

static void rig_open(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    r->base = event_base_new();
    r->respawn = respawn_new(r->base, on_start, r);
    assert_true(r->base && r->respawn);
}

static void rig_close(struct rig *r)
{
    respawn_free(r->respawn);
    event_base_free(r->base);
}

/* Runs until nothing is pending. */
static void settle(struct rig *r)
{
    event_base_dispatch(r->base);
}

static struct uuid uuid_of(uint8_t n)
{
    return (struct uuid){.byte = {n, 1, 2}};
}

static void dead_child_is_started_by_the_loop(void **state)
{
    (void)state;
    struct rig r;
    struct uuid vm = uuid_of(1);

    rig_open(&r);
    respawn_later(r.respawn, &vm, "guest", "died");
    assert_int_equal(r.starts, 0);
    settle(&r);
    assert_int_equal(r.starts, 1);
    assert_true(uuid_equal(&r.last, &vm));
    assert_string_equal(r.name, "guest");
    rig_close(&r);
}

/* Asked at the same time, the one that died less often is first: by far, and from the shortest on.
 */
static void pause_grows_with_each_death_in_a_row(void **state)
{
    (void)state;
    struct rig r;

    rig_open(&r);
    for (uint8_t deaths = 5; deaths >= 1; deaths--) {
        struct uuid vm = uuid_of(deaths);
        for (uint8_t n = 0; n < deaths; n++)
            respawn_later(r.respawn, &vm, "guest", "died");
    }
    settle(&r);
    assert_int_equal(r.starts, 5);
    for (uint8_t i = 0; i < 5; i++)
        assert_int_equal(r.order[i], i + 1);
    rig_close(&r);
}

/* As long as it dies it is started again, each time once. */
static void child_that_cannot_live_is_started_again_and_again(void **state)
{
    (void)state;
    struct rig r;
    struct uuid vm = uuid_of(1);

    rig_open(&r);
    r.dies = 3;
    respawn_later(r.respawn, &vm, "guest", "died");
    settle(&r);
    assert_int_equal(r.starts, 4);
    rig_close(&r);
}

static void each_vm_is_started_for_itself(void **state)
{
    (void)state;
    struct rig r;

    rig_open(&r);
    for (uint8_t n = 0; n < 20; n++) {
        struct uuid vm = uuid_of(n);
        respawn_later(r.respawn, &vm, "guest", "died");
    }
    settle(&r);
    assert_int_equal(r.starts, 20);
    rig_close(&r);
}

static void one_that_waits_already_is_started_once(void **state)
{
    (void)state;
    struct rig r;
    struct uuid vm = uuid_of(1);

    rig_open(&r);
    respawn_later(r.respawn, &vm, "old", "died");
    respawn_later(r.respawn, &vm, "new", "died");
    settle(&r);
    assert_int_equal(r.starts, 1);
    assert_string_equal(r.name, "new");
    rig_close(&r);
}

static void note(const struct respawn_wait *w, void *arg)
{
    struct rig *r = arg;

    r->order[r->starts++] = w->uuid.byte[0];
    snprintf(r->name, sizeof(r->name), "%s: %s", w->name, w->why);
}

static void those_that_wait_are_known(void **state)
{
    (void)state;
    struct rig r;
    struct uuid vm = uuid_of(1), other = uuid_of(2), never = uuid_of(3);

    rig_open(&r);
    respawn_later(r.respawn, &vm, "guest", "killed");
    respawn_later(r.respawn, &other, "other", "killed");
    respawn_cancel(r.respawn, &other);
    respawn_cancel(r.respawn, &never);
    respawn_each(r.respawn, note, &r);
    assert_int_equal(r.starts, 1);
    assert_int_equal(r.order[0], 1);
    assert_string_equal(r.name, "guest: killed");
    settle(&r); /* the other one is not started either */
    assert_int_equal(r.starts, 2);
    assert_true(uuid_equal(&r.last, &vm));
    respawn_each(r.respawn, note, &r);
    assert_int_equal(r.starts, 2);
    rig_close(&r);
}

static void nothing_is_started_after_the_end(void **state)
{
    (void)state;
    struct rig r;
    struct uuid vm = uuid_of(1), other = uuid_of(2);

    rig_open(&r);
    respawn_later(r.respawn, &vm, "guest", "died");
    respawn_free(r.respawn);
    respawn_free(NULL);
    r.respawn = NULL;
    settle(&r);
    assert_int_equal(r.starts, 0);
    rig_close(&r);

    rig_open(&r); /* from inside the callback, with another one waiting */
    r.frees = true;
    respawn_later(r.respawn, &vm, "guest", "died");
    respawn_later(r.respawn, &other, "other", "died");
    settle(&r);
    assert_int_equal(r.starts, 1);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dead_child_is_started_by_the_loop),
        cmocka_unit_test(pause_grows_with_each_death_in_a_row),
        cmocka_unit_test(child_that_cannot_live_is_started_again_and_again),
        cmocka_unit_test(each_vm_is_started_for_itself),
        cmocka_unit_test(one_that_waits_already_is_started_once),
        cmocka_unit_test(those_that_wait_are_known),
        cmocka_unit_test(nothing_is_started_after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
