/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "engine/window.h"

/* A plain list of what is in flight. */
struct model {
    uint64_t epoch[WINDOW_MAX];
    size_t count;
};

static struct window_entry entry_of(uint64_t epoch)
{
    return (struct window_entry){
        .epoch = epoch, .captured = {(int64_t)epoch * 10}, .sent = {(int64_t)epoch * 10 + 1}};
}

static void push_both(struct window *w, struct model *m, uint64_t epoch)
{
    struct window_entry e = entry_of(epoch);
    bool room = m->count < WINDOW_MAX;

    assert_int_equal(window_push(w, &e), room);
    if (room)
        m->epoch[m->count++] = epoch;
}

static void ack_both(struct window *w, struct model *m, uint64_t epoch)
{
    struct window_entry got = entry_of(7777), want = entry_of(epoch);
    size_t at = 0;

    while (at < m->count && m->epoch[at] != epoch)
        at++;
    bool there = at < m->count;
    assert_int_equal(window_ack(w, epoch, &got), there);
    if (!there) {
        assert_int_equal(got.epoch, 7777);
        return;
    }
    assert_memory_equal(&got, &want, sizeof(got));
    m->count -= at + 1;
    memmove(m->epoch, m->epoch + at + 1, m->count * sizeof(m->epoch[0]));
}

static void same(const struct window *w, const struct model *m)
{
    assert_int_equal(w->count, m->count);
    for (size_t i = 0; i < m->count; i++)
        assert_int_equal(w->entry[(w->first + i) % WINDOW_MAX].epoch, m->epoch[i]);
}

/* What can happen next: epoch `pushed` + 1 ends, or any epoch up to one never sent is acked. */
static void explore(const struct window *w, const struct model *m, uint64_t pushed, unsigned depth)
{
    if (depth == 0)
        return;
    struct window w2 = *w;
    struct model m2 = *m;
    push_both(&w2, &m2, pushed + 1);
    same(&w2, &m2);
    explore(&w2, &m2, pushed + 1, depth - 1);
    for (uint64_t epoch = 0; epoch <= pushed + 1; epoch++) {
        w2 = *w;
        m2 = *m;
        ack_both(&w2, &m2, epoch);
        same(&w2, &m2);
        if (m2.count < m->count)
            explore(&w2, &m2, pushed, depth - 1);
    }
}

static void every_short_history_from_empty(void **state)
{
    (void)state;
    struct window w;
    struct model m = {.count = 0};

    window_init(&w);
    explore(&w, &m, 0, 8);
}

/* From every place of the ring, with room for one more, so that full and wrapped both occur. */
static void every_short_history_from_nearly_full(void **state)
{
    (void)state;
    for (size_t first = 0; first < WINDOW_MAX; first++) {
        struct window w;
        struct model m = {.count = 0};
        uint64_t epoch = 0;

        window_init(&w);
        for (size_t i = 0; i < first; i++) {
            push_both(&w, &m, ++epoch);
            ack_both(&w, &m, epoch);
        }
        for (size_t i = 0; i < WINDOW_MAX - 1; i++)
            push_both(&w, &m, ++epoch);
        explore(&w, &m, epoch, 2);
    }
}

static void init_forgets_what_was_in_flight(void **state)
{
    (void)state;
    struct window w;
    struct model m = {.count = 0};

    window_init(&w);
    for (uint64_t epoch = 1; epoch <= WINDOW_MAX + 1; epoch++)
        push_both(&w, &m, epoch);
    window_init(&w);
    m.count = 0;
    ack_both(&w, &m, 1);
    push_both(&w, &m, 1);
    same(&w, &m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_history_from_empty),
        cmocka_unit_test(every_short_history_from_nearly_full),
        cmocka_unit_test(init_forgets_what_was_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
