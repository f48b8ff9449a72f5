/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tools/sim/history.h"

static void add(struct history *h, enum history_kind kind, uint64_t client, int64_t sent,
                int64_t answered, uint64_t value)
{
    size_t i;

    assert_int_equal(history_add(h, kind, client, h->count + 1, sent, &i), 0);
    if (answered)
        history_answer(h, i, value, answered);
}

static void inc(struct history *h, uint64_t client, int64_t sent, int64_t answered, uint64_t value)
{
    add(h, HISTORY_INCREMENT, client, sent, answered, value);
}

static void read_value(struct history *h, int64_t sent, int64_t answered, uint64_t value)
{
    add(h, HISTORY_READ, 99, sent, answered, value);
}

/** Checks, frees, and compares the kinds found, joined by spaces. */
static void expect(struct history *h, bool exclusive, const char *kinds)
{
    char found[1024] = "";
    json_t *array = history_check(h, exclusive), *item;
    size_t i;

    assert_non_null(array);
    json_array_foreach(array, i, item)
    {
        if (i)
            strcat(found, " ");
        strcat(found, json_string_value(json_object_get(item, "kind")));
        assert_true(json_string_length(json_object_get(item, "text")) > 0);
    }
    assert_string_equal(found, kinds);
    json_decref(array);
    history_free(h);
}

static void empty_history_is_good(void **state)
{
    (void)state;
    struct history h;

    history_init(&h);
    expect(&h, true, "");
}

static void overlapping_operations_may_take_any_order(void **state)
{
    (void)state;
    struct history h;

    history_init(&h);
    read_value(&h, 1, 2, 10);
    inc(&h, 1, 10, 50, 12);
    inc(&h, 2, 20, 40, 11); /* overlaps the one above */
    read_value(&h, 30, 45, 10);
    read_value(&h, 60, 70, 12);
    expect(&h, true, "");
}

static void unanswered_one_may_count_or_not(void **state)
{
    (void)state;
    struct history h;

    for (uint64_t last = 1; last <= 2; last++) {
        history_init(&h);
        read_value(&h, 1, 2, 0);
        inc(&h, 1, 10, 0, 0);
        inc(&h, 2, 20, 30, last);
        read_value(&h, 40, 50, last);
        expect(&h, true, "");
    }
}

static void planted_duplicate_is_found(void **state)
{
    (void)state;
    struct history h;

    history_init(&h);
    inc(&h, 1, 10, 50, 7);
    inc(&h, 2, 20, 60, 7);
    expect(&h, false, "duplicate");
}

static void planted_step_back_is_found(void **state)
{
    (void)state;
    struct history h;

    history_init(&h);
    inc(&h, 1, 10, 20, 8);
    inc(&h, 1, 20, 30, 7); /* sent as the other was answered: only the client's own order tells */
    expect(&h, false, "backwards");
}

static void planted_rollback_between_clients_is_found(void **state)
{
    (void)state;
    struct history h;

    history_init(&h);
    inc(&h, 1, 10, 20, 8);
    inc(&h, 2, 21, 30, 7);
    inc(&h, 3, 31, 40, 9);
    expect(&h, false, "stale");
}

static void planted_stale_read_is_found(void **state)
{
    (void)state;
    struct history h;

    history_init(&h);
    inc(&h, 1, 10, 20, 8);
    read_value(&h, 21, 30, 8);
    read_value(&h, 31, 40, 7);
    expect(&h, false, "stale");
}

static void read_binds_the_increments_after_it(void **state)
{
    (void)state;
    struct history h;

    history_init(&h);
    read_value(&h, 10, 20, 8);
    inc(&h, 1, 21, 30, 8);
    expect(&h, false, "stale");
}

/* The lost one's value is never seen again, so nothing but the total gives it away. */
static void planted_lost_increment_is_found(void **state)
{
    (void)state;
    struct history h;

    history_init(&h);
    read_value(&h, 1, 2, 100);
    inc(&h, 1, 10, 20, 101);
    inc(&h, 2, 30, 40, 102);
    inc(&h, 3, 30, 41, 103);
    read_value(&h, 50, 60, 102);
    expect(&h, true, "stale lost");
}

static void planted_double_count_is_found(void **state)
{
    (void)state;
    struct history h;

    history_init(&h);
    read_value(&h, 1, 2, 100);
    inc(&h, 1, 10, 20, 102); /* a retry counted twice */
    read_value(&h, 50, 60, 102);
    expect(&h, true, "invented");
}

static void others_increments_are_allowed_when_shared(void **state)
{
    (void)state;
    struct history h;

    history_init(&h);
    read_value(&h, 1, 2, 100);
    inc(&h, 1, 10, 20, 150);
    read_value(&h, 50, 60, 200);
    expect(&h, false, "");
}

static void many_violations_are_cut_short(void **state)
{
    (void)state;
    struct history h;

    history_init(&h);
    for (uint64_t i = 0; i < 100; i++)
        inc(&h, i, 10, 1000, 5);
    json_t *found = history_check(&h, false);
    assert_int_equal(json_array_size(found), HISTORY_SHOWN + 1);
    const json_t *last = json_array_get(found, HISTORY_SHOWN);
    assert_string_equal(json_string_value(json_object_get(last, "kind")), "more");
    assert_string_equal(json_string_value(json_object_get(last, "text")), "79 violations more");
    json_decref(found);
    history_free(&h);
}

struct order {
    int64_t sent, effect, answered;
    bool lost;
};

static int by_effect(const void *a, const void *b)
{
    int64_t x = ((const struct order *)a)->effect, y = ((const struct order *)b)->effect;

    return (x > y) - (x < y);
}

#define OPS 400

/** A run of a real counter: each takes effect at one instant between sending and answer. */
static void simulate(struct history *h, unsigned seed)
{
    struct order order[OPS];

    srand(seed);
    for (int i = 0; i < OPS; i++) {
        order[i].sent = 100 + rand() % 5000;
        order[i].effect = order[i].sent + rand() % 100;
        order[i].answered = order[i].effect + 1 + rand() % 100;
        order[i].lost = rand() % 10 == 0;
    }
    qsort(order, OPS, sizeof(order[0]), by_effect);
    read_value(h, 1, 2, 1000);
    for (int i = 0; i < OPS; i++)
        inc(h, (uint64_t)i, order[i].sent, order[i].lost ? 0 : order[i].answered,
            1001 + (uint64_t)i);
    read_value(h, 100000, 100001, 1000 + OPS);
}

static void true_runs_are_never_accused(void **state)
{
    (void)state;

    for (unsigned seed = 1; seed <= 100; seed++) {
        struct history h;
        history_init(&h);
        simulate(&h, seed);
        expect(&h, true, "");
    }
}

/* A failover to a state before `at` whose outputs had left already: what I1 is there to prevent. */
static void early_release_is_always_found(void **state)
{
    (void)state;

    for (unsigned seed = 1; seed <= 100; seed++) {
        struct history h;
        history_init(&h);
        simulate(&h, seed);
        for (size_t i = 200; i < h.count; i++)
            h.op[i].value -= 5;
        json_t *found = history_check(&h, true);
        assert_true(json_array_size(found) > 0);
        json_decref(found);
        history_free(&h);
    }
}

static void written_lines_are_json(void **state)
{
    (void)state;
    struct history h;
    char text[1024] = "";
    FILE *to = fmemopen(text, sizeof(text), "w");

    history_init(&h);
    inc(&h, 5, 10, 20, 30);
    inc(&h, 6, 11, 0, 0);
    assert_int_equal(history_write(&h, to), 0);
    fclose(to);
    json_t *first = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
    json_t *second = json_loads(strchr(text, '\n') + 1, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(first, "value")), 30);
    assert_int_equal(json_integer_value(json_object_get(second, "client")), 6);
    assert_null(json_object_get(second, "value"));
    json_decref(first);
    json_decref(second);
    history_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_history_is_good),
        cmocka_unit_test(overlapping_operations_may_take_any_order),
        cmocka_unit_test(unanswered_one_may_count_or_not),
        cmocka_unit_test(planted_duplicate_is_found),
        cmocka_unit_test(planted_step_back_is_found),
        cmocka_unit_test(planted_rollback_between_clients_is_found),
        cmocka_unit_test(planted_stale_read_is_found),
        cmocka_unit_test(read_binds_the_increments_after_it),
        cmocka_unit_test(planted_lost_increment_is_found),
        cmocka_unit_test(planted_double_count_is_found),
        cmocka_unit_test(others_increments_are_allowed_when_shared),
        cmocka_unit_test(many_violations_are_cut_short),
        cmocka_unit_test(true_runs_are_never_accused),
        cmocka_unit_test(early_release_is_always_found),
        cmocka_unit_test(written_lines_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
