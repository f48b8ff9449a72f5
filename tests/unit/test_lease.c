/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engine/detect/lease.h"

#define MS NS_PER_MS

static const struct mono t0 = {NS_PER_S};

static void not_in_force_needs_no_lease(void **state)
{
    (void)state;
    struct lease_held l;

    lease_held_init(&l);
    assert_true(lease_held_valid(&l, (struct mono){INT64_MAX}));
    lease_held_renew(&l, t0, 1 * MS);
    assert_true(lease_held_valid(&l, (struct mono){INT64_MAX}));
}

static void runs_out_exactly_at_its_end(void **state)
{
    (void)state;
    struct lease_held l;

    lease_held_init(&l);
    lease_held_start(&l, t0, 300 * MS);
    assert_true(lease_held_valid(&l, mono_add(t0, 300 * MS - 1)));
    assert_false(lease_held_valid(&l, mono_add(t0, 300 * MS)));
}

static void renewal_counts_from_the_sending_and_never_shortens(void **state)
{
    (void)state;
    struct lease_held l;

    lease_held_init(&l);
    lease_held_start(&l, t0, 300 * MS);
    lease_held_renew(&l, mono_add(t0, 25 * MS), 3000 * MS);
    lease_held_renew(&l, mono_add(t0, 50 * MS), 300 * MS);
    assert_int_equal(l.expires.ns, t0.ns + 3025 * MS);
}

static void grant_from_before_the_start_is_not_used(void **state)
{
    (void)state;
    struct lease_held l;

    lease_held_init(&l);
    lease_held_renew(&l, t0, 60000 * MS);
    lease_held_start(&l, mono_add(t0, 10 * MS), 300 * MS);
    assert_int_equal(l.expires.ns, t0.ns + 310 * MS);
}

static void end_frees_the_primary(void **state)
{
    (void)state;
    struct lease_held l;

    lease_held_init(&l);
    lease_held_start(&l, t0, 300 * MS);
    lease_held_end(&l);
    assert_true(lease_held_valid(&l, mono_add(t0, 10000 * MS)));
}

static void backup_waits_for_its_longest_promise(void **state)
{
    (void)state;
    struct lease_granted g;

    lease_granted_init(&g);
    assert_true(mono_before(lease_granted_free_at(&g, 100 * MS), t0));
    lease_granted_give(&g, t0, 3000 * MS);
    lease_granted_give(&g, mono_add(t0, 50 * MS), 300 * MS);
    assert_int_equal(lease_granted_free_at(&g, 100 * MS).ns, t0.ns + 3100 * MS);
}

/* ---- two hosts, two clocks, one network ---- */

#define PPM_MAX   200 /* how far either clock may run fast or slow */
#define LEASE_MAX (3000 * MS)
/* Both clocks at their worst over the longest lease; the second term is for integer rounding. */
#define MARGIN (LEASE_MAX / 1000000 * (2 * PPM_MAX + 1) + 1000)

struct host_clock {
    int64_t offset;
    int64_t ppm;
};

static struct mono read_clock(const struct host_clock *c, int64_t real)
{
    return (struct mono){c->offset + real + real / 1000000 * c->ppm};
}

/** The first real instant at which clock `c` shows `t` or later, found by bisection. */
static int64_t when_shows(const struct host_clock *c, struct mono t)
{
    int64_t low = -NS_PER_S, high = 1000 * NS_PER_S;

    while (low < high) {
        int64_t mid = low + (high - low) / 2;
        if (mono_before(read_clock(c, mid), t))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int64_t pick(int64_t low, int64_t high)
{
    return low + (int64_t)(((double)rand() / RAND_MAX) * (double)(high - low));
}

struct ack {
    int64_t arrives; /* real time; INT64_MAX: lost */
    struct mono sent;
    int64_t len;
};

#define ACKS 24

/** Takes the acks that arrived up to `real`, in whatever order they did. */
static void deliver(struct lease_held *held, struct ack *ack, int n, int64_t real)
{
    for (int i = 0; i < n; i++) {
        if (ack[i].arrives > real)
            continue;
        lease_held_renew(held, ack[i].sent, ack[i].len);
        ack[i].arrives = INT64_MAX;
    }
}

/** One run; afterwards no instant exists at which both may act. */
static void run_interleaving(unsigned seed)
{
    srand(seed);
    struct host_clock primary = {pick(0, 1000 * NS_PER_S), pick(-PPM_MAX, PPM_MAX)};
    struct host_clock backup = {pick(0, 1000 * NS_PER_S), pick(-PPM_MAX, PPM_MAX)};
    int64_t first_len = pick(10 * MS, LEASE_MAX), real = 0;
    struct ack ack[ACKS];
    struct lease_held held;
    struct lease_granted granted;

    lease_held_init(&held);
    lease_granted_init(&granted);
    for (int i = 0; i < ACKS; i++) {
        real += pick(0, 500 * MS);
        struct mono sent = read_clock(&primary, real);
        if (i == 0)
            lease_held_start(&held, sent, first_len);
        deliver(&held, ack, i, real);

        /* An instant network leaves nothing but the margin between the two. */
        int64_t sealed = real + (rand() % 2 ? pick(0, 200 * MS) : 0);
        int64_t len = i == 0 ? first_len : pick(10 * MS, LEASE_MAX);
        lease_granted_give(&granted, read_clock(&backup, sealed), len);
        bool lost = rand() % 4 == 0;
        ack[i] = (struct ack){lost ? INT64_MAX : sealed + pick(0, 400 * MS), sent, len};
    }
    deliver(&held, ack, ACKS, INT64_MAX - 1);

    int64_t primary_silent = when_shows(&primary, held.expires);
    int64_t backup_free = when_shows(&backup, lease_granted_free_at(&granted, MARGIN));
    assert_false(lease_held_valid(&held, read_clock(&primary, primary_silent)));
    assert_true(backup_free > primary_silent);
}

static void backup_is_never_free_before_the_primary_is_silent(void **state)
{
    (void)state;

    for (unsigned seed = 1; seed <= 3000; seed++)
        run_interleaving(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_in_force_needs_no_lease),
        cmocka_unit_test(runs_out_exactly_at_its_end),
        cmocka_unit_test(renewal_counts_from_the_sending_and_never_shortens),
        cmocka_unit_test(grant_from_before_the_start_is_not_used),
        cmocka_unit_test(end_frees_the_primary),
        cmocka_unit_test(backup_waits_for_its_longest_promise),
        cmocka_unit_test(backup_is_never_free_before_the_primary_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
