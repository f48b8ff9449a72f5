/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engine/base/compiler.h"
#include "engine/detect/detector.h"

#define MS NS_PER_MS

static const struct detector_conf conf = {300 * MS, 3000 * MS};

struct peer {
    struct detector d;
    struct mono now;
    unsigned suspected; /* times the detector had given up on it before it was heard */
};

static void peer_start(struct peer *p)
{
    p->now = (struct mono){NS_PER_S};
    p->suspected = 0;
    detector_init(&p->d, &conf, p->now);
}

static void peer_speaks_after(struct peer *p, int64_t gap)
{
    p->now = mono_add(p->now, gap);
    if (detector_suspects(&p->d, p->now))
        p->suspected++;
    detector_heard(&p->d, p->now);
    assert_true(detector_timeout(&p->d) >= conf.floor_ns);
    assert_true(detector_timeout(&p->d) <= conf.ceiling_ns);
}

static int64_t between(int64_t low, int64_t high)
{
    return low + (int64_t)(((double)rand() / RAND_MAX) * (double)(high - low));
}

static void steady_stream_needs_only_the_floor(void **state)
{
    (void)state;
    struct peer p;

    peer_start(&p);
    for (int i = 0; i < 1000; i++)
        peer_speaks_after(&p, 25 * MS);
    assert_int_equal(p.suspected, 0);
    assert_int_equal(detector_timeout(&p.d), conf.floor_ns);
    assert_int_equal(detector_deadline(&p.d).ns, p.now.ns + conf.floor_ns);
}

static void silence_is_suspected_exactly_at_the_deadline(void **state)
{
    (void)state;
    struct peer p;

    peer_start(&p);
    for (int i = 0; i < 100; i++)
        peer_speaks_after(&p, 25 * MS);
    struct mono deadline = detector_deadline(&p.d);
    assert_false(detector_suspects(&p.d, mono_add(deadline, -1)));
    assert_true(detector_suspects(&p.d, deadline));
}

static void peer_that_never_spoke_is_suspected_after_the_floor(void **state)
{
    (void)state;
    struct peer p;

    peer_start(&p);
    assert_false(detector_suspects(&p.d, mono_add(p.now, conf.floor_ns - 1)));
    assert_true(detector_suspects(&p.d, mono_add(p.now, conf.floor_ns)));
}

/* Each epoch arrives as hundreds of records at once: they must not hide how long the pauses are. */
static void bursts_do_not_hide_the_pauses_between_them(void **state)
{
    (void)state;
    struct peer p;

    peer_start(&p);
    for (int pause = 100; pause <= 450; pause += 10)
        for (int burst = 0; burst < 3; burst++) {
            peer_speaks_after(&p, pause * MS);
            for (int i = 0; i < 500; i++)
                peer_speaks_after(&p, 2 * NS_PER_US);
        }
    assert_int_equal(p.suspected, 0);
    assert_true(detector_timeout(&p.d) >= 3 * 450 * MS / 2);
}

static void slow_drift_is_followed(void **state)
{
    (void)state;
    struct peer p;

    peer_start(&p);
    for (int64_t gap = 20 * MS; gap < 1900 * MS; gap += gap / 50)
        peer_speaks_after(&p, gap);
    assert_int_equal(p.suspected, 0);
    for (int i = 0; i < 2000; i++)
        peer_speaks_after(&p, 20 * MS);
    assert_int_equal(detector_timeout(&p.d), conf.floor_ns);
}

static void one_outlier_is_remembered_then_forgotten(void **state)
{
    (void)state;
    struct peer p;

    peer_start(&p);
    for (int i = 0; i < 200; i++)
        peer_speaks_after(&p, 25 * MS);
    peer_speaks_after(&p, 280 * MS);
    for (int i = 0; i < 20; i++)
        peer_speaks_after(&p, 25 * MS);
    peer_speaks_after(&p, 400 * MS); /* worse than the worst yet by less than half */
    assert_int_equal(p.suspected, 0);
    for (int i = 0; i < 400; i++)
        peer_speaks_after(&p, 25 * MS);
    assert_int_equal(detector_timeout(&p.d), conf.floor_ns);
}

static void jitter_within_the_floor_is_never_suspected(void **state)
{
    (void)state;
    struct peer p;

    srand(7);
    peer_start(&p);
    for (int i = 0; i < 20000; i++)
        peer_speaks_after(&p, between(1 * MS, 299 * MS));
    assert_int_equal(p.suspected, 0);
}

static void endless_stall_cannot_lift_the_ceiling(void **state)
{
    (void)state;
    struct peer p;

    peer_start(&p);
    peer_speaks_after(&p, INT64_MAX / 4);
    peer_speaks_after(&p, 25 * MS);
    assert_int_equal(detector_timeout(&p.d), conf.ceiling_ns);
}

static void same_instant_counts_once_and_the_past_never(void **state)
{
    (void)state;
    struct peer p;

    peer_start(&p);
    peer_speaks_after(&p, 25 * MS);
    struct detector before = p.d;
    detector_heard(&p.d, p.now);
    detector_heard(&p.d, mono_add(p.now, -1));
    assert_memory_equal(&p.d, &before, sizeof(before));
    assert_int_equal(p.d.heard, 1);
}

/* A trace of random phases: whatever happens, the time-out keeps its bounds (checked on each step).
 */
static void random_traces_keep_the_bounds(void **state)
{
    (void)state;
    static const int64_t scale[] = {1, 1000, NS_PER_MS, 50 * NS_PER_MS, NS_PER_S, 100 * NS_PER_S};

    for (unsigned seed = 1; seed <= 300; seed++) {
        struct peer p;

        srand(seed);
        peer_start(&p);
        for (int phase = 0; phase < 10; phase++) {
            int64_t top = scale[(size_t)rand() % ARRAY_LEN(scale)];
            for (int i = 0; i < 100; i++)
                peer_speaks_after(&p, between(0, top));
        }
        assert_true(mono_sub(detector_deadline(&p.d), p.now) >= conf.floor_ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady_stream_needs_only_the_floor),
        cmocka_unit_test(silence_is_suspected_exactly_at_the_deadline),
        cmocka_unit_test(peer_that_never_spoke_is_suspected_after_the_floor),
        cmocka_unit_test(bursts_do_not_hide_the_pauses_between_them),
        cmocka_unit_test(slow_drift_is_followed),
        cmocka_unit_test(one_outlier_is_remembered_then_forgotten),
        cmocka_unit_test(jitter_within_the_floor_is_never_suspected),
        cmocka_unit_test(endless_stall_cannot_lift_the_ceiling),
        cmocka_unit_test(same_instant_counts_once_and_the_past_never),
        cmocka_unit_test(random_traces_keep_the_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
