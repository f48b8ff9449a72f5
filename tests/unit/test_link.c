/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/link_util.h"

/* ---- outgoing ---- */

static void records_arrive_through_the_tiniest_buffers(void **state)
{
    (void)state;
    struct pair p;

    pair_open(&p, SIZE_MAX);
    pair_shrink(&p);
    pair_greet(&p);
    for (unsigned i = 1; i <= 40; i++) {
        put_full_epoch(&p, i);
        if (i % 7 == 0)
            link_flush(p.a.link);
    }
    run_until(&p, &p.b.records[WIRE_EPOCH_END], 40);
    assert_int_equal(p.b.records[WIRE_PAGES], 40);
    assert_int_equal(p.b.records[WIRE_STATE], 40);
    assert_int_equal(link_queued(p.a.link), 0);
    assert_int_equal(link_bytes_sent(p.a.link), link_bytes_received(p.b.link));
    pair_close(&p);
}

static void full_link_calls_for_more_when_half_is_gone(void **state)
{
    (void)state;
    struct pair p;

    pair_open(&p, 65536);
    pair_shrink(&p);
    pair_greet(&p);
    event_del(p.stop_reading = p.b.link ? NULL : NULL, 0);
    pair_close(&p);
}
