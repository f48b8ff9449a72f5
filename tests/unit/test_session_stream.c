/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/page.h"
#include "tests/unit/proto_samples.h"

/* PAGES and FRAMES: built item by item, taken apart again at the other end. */

static uint8_t page[WIRE_PAGES_MAX][WIRE_PAGE_SIZE];

static void make_pages(void)
{
    for (uint32_t i = 0; i < WIRE_PAGES_MAX; i++) {
        sample_noise(page[i], WIRE_PAGE_SIZE, i);
        memset(page[i], 0, WIRE_PAGE_SIZE / 4 * (i % 5)); /* raw, LZ4, ..., zero */
    }
}

static void assert_pages(const struct pair *p, uint16_t count)
{
    struct pages_iter it = {0};
    struct page_item item;
    uint8_t got[WIRE_PAGE_SIZE];
    uint16_t n = 0;

    assert_int_equal(p->ev.type, WIRE_PAGES);
    assert_int_equal(p->ev.u.pages.count, count);
    while (msg_pages_next(&p->ev.u.pages, &it, &item)) {
        assert_true(item.pfn == n + 100u);
        assert_true(page_decode(item.coding, item.data, item.len, NULL, got));
        assert_memory_equal(got, page[n], WIRE_PAGE_SIZE);
        n++;
    }
    assert_int_equal(n, count);
}

static void put_pages(struct pair *p, uint16_t count, uint16_t cap)
{
    struct pages_writer pw;

    assert_true(session_pages_begin(&p->primary, &pw, pair_room(p), cap));
    for (uint16_t i = 0; i < count; i++)
        assert_in_range(session_pages_add(&pw, i + 100u, page[i], NULL), PAGE_ZERO, PAGE_LZ4);
    size_t n = session_pages_end(&pw, &p->w);
    assert_int_equal(n, pair_taken(p));
}

static void pages_arrive_as_they_were(void **state)
{
    (void)state;
    static const uint16_t counts[] = {1, 2, 5, 127, WIRE_PAGES_MAX};
    struct pair p;
    uint64_t sum = 0;

    make_pages();
    assert_true(pair_open(&p, WIRE_FEATURES_ALL) && pair_begin(&p, WIRE_EPOCH_FULL));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        put_pages(&p, counts[i], counts[i]); /* no gap to close */
        assert_int_equal(pair_carry(&p, &p.backup), 1);
        assert_pages(&p, counts[i]);
        put_pages(&p, counts[i], WIRE_PAGES_MAX);
        assert_int_equal(pair_carry(&p, &p.backup), 1);
        assert_pages(&p, counts[i]);
        sum += 2 * counts[i];
    }
    assert_true(p.primary.pages == sum && p.backup.pages == sum);
    assert_true(pair_finish(&p));
    pair_free(&p);
}

static void unchanged_pages_leave_no_trace(void **state)
{
    (void)state;
    struct pages_writer pw;
    struct pair p;

    make_pages();
    assert_true(pair_open(&p, WIRE_FEATURES_ALL) && pair_begin(&p, WIRE_EPOCH_FULL));
    assert_true(session_pages_begin(&p.primary, &pw, pair_room(&p), 2));
    assert_int_equal(session_pages_add(&pw, 1, page[0], page[0]), PAGE_UNCHANGED);
    assert_int_equal(session_pages_end(&pw, &p.w), 0);
    assert_int_equal(pair_taken(&p), 0);
    assert_true(p.primary.pages == 0 && p.primary.tx_seq == 2);
    assert_true(pair_finish(&p));
    pair_free(&p);
}

static void a_record_takes_cap_pages(void **state)
{
    (void)state;
    struct pages_writer pw;
    struct pair p;

    make_pages();
    assert_true(pair_open(&p, WIRE_FEATURES_ALL) && pair_begin(&p, WIRE_EPOCH_FULL));
    assert_false(session_pages_begin(&p.primary, &pw, pair_room(&p), 0));
    assert_false(session_pages_begin(&p.primary, &pw, pair_room(&p), WIRE_PAGES_MAX + 1));
    assert_true(session_pages_begin(&p.primary, &pw, pair_room(&p), 2));
    assert_int_equal(session_pages_add(&pw, 1, page[0], NULL), PAGE_RAW);
    assert_int_equal(session_pages_add(&pw, 2, page[0], page[0]), PAGE_UNCHANGED);
    assert_int_equal(session_pages_add(&pw, 3, page[0], NULL), PAGE_RAW);
    assert_int_equal(session_pages_add(&pw, 4, page[0], NULL), PAGES_FULL);
    assert_int_not_equal(session_pages_end(&pw, &p.w), 0);
    assert_int_equal(pair_carry(&p, &p.backup), 1);
    assert_int_equal(p.ev.u.pages.count, 2);
    pair_free(&p);
}

static void pages_need_exactly_this_room(void **state)
{
    (void)state;
    const size_t need =
        WIRE_HEADER_LEN + WIRE_PAGES_FIXED + 3 * (WIRE_PAGE_HEAD_LEN + WIRE_PAGE_SIZE);
    struct pages_writer pw;
    struct pair p;

    make_pages();
    assert_true(pair_open(&p, WIRE_FEATURES_ALL) && pair_begin(&p, WIRE_EPOCH_FULL));
    uint8_t *exact = malloc(need);
    struct wcur w = {.p = exact, .end = exact + need - 1};
    assert_false(session_pages_begin(&p.primary, &pw, &w, 3));
    w.end++;
    assert_true(session_pages_begin(&p.primary, &pw, &w, 3));
    for (int i = 0; i < 3; i++)
        assert_int_equal(session_pages_add(&pw, 1, page[0], NULL), PAGE_RAW);
    assert_int_equal(session_pages_end(&pw, &w), need);
    free(exact);
    pair_free(&p);
}

static void codings_are_those_agreed(void **state)
{
    (void)state;
    static const uint32_t features[] = {0, WIRE_FEATURE_LZ4, WIRE_FEATURE_DELTA};
    static uint8_t base[WIRE_PAGE_SIZE];

    make_pages();
    memcpy(base, page[1], sizeof(base));
    base[7] ^= 1;
    for (int i = 0; i < 3; i++) {
        struct pages_writer pw;
        struct pair p;
        assert_true(pair_open(&p, features[i]) && pair_begin(&p, WIRE_EPOCH_FULL));
        assert_true(session_pages_begin(&p.primary, &pw, pair_room(&p), 1));
        int choice = session_pages_add(&pw, 0, page[1], base);
        assert_int_equal(choice, i == 0 ? PAGE_RAW : i == 1 ? PAGE_LZ4 : PAGE_DELTA);
        assert_int_not_equal(session_pages_end(&pw, &p.w), 0);
        p.backup.features ^= WIRE_FEATURES_ALL; /* a primary that does not care */
        assert_int_equal(pair_carry(&p, &p.backup), i == 0 ? 1 : -1);
        assert_true(i == 0 || session_says(&p.backup, "not agreed"));
        pair_free(&p);
    }
}

static void pages_outside_the_vm_are_refused(void **state)
{
    (void)state;
    struct pages_writer pw;
    struct pair p;

    make_pages();
    for (int over = 0; over < 2; over++) {
        assert_true(pair_open(&p, WIRE_FEATURES_ALL) && pair_begin(&p, WIRE_EPOCH_FULL));
        p.primary.pages_limit = UINT64_MAX; /* a primary that does not care */
        assert_true(session_pages_begin(&p.primary, &pw, pair_room(&p), 1));
        (void)session_pages_add(&pw, SAMPLE_PAGES - 1 + (unsigned)over, page[0], NULL);
        assert_int_not_equal(session_pages_end(&pw, &p.w), 0);
        assert_int_equal(pair_carry(&p, &p.backup), over ? -1 : 1);
        pair_free(&p);
    }
}

static void an_epoch_fits_the_staging_of_the_backup(void **state)
{
    (void)state;
    struct pages_writer pw;
    struct pair p;

    make_pages();
    assert_true(pair_open(&p, WIRE_FEATURES_ALL) && pair_begin(&p, WIRE_EPOCH_FULL));
    put_pages(&p, SAMPLE_STAGING + 1, SAMPLE_STAGING + 1); /* no limit in a FULL one */
    assert_int_equal(pair_carry(&p, &p.backup), 1);
    assert_true(pair_finish(&p) && pair_begin(&p, 0));
    assert_false(session_pages_begin(&p.primary, &pw, pair_room(&p), SAMPLE_STAGING + 1));
    put_pages(&p, SAMPLE_STAGING, SAMPLE_STAGING);
    assert_int_equal(pair_carry(&p, &p.backup), 1);
    assert_false(session_pages_begin(&p.primary, &pw, pair_room(&p), 1));
    assert_int_equal(p.primary.state, SESSION_IN_EPOCH);
    p.primary.staging_pages++; /* a primary that does not care */
    put_pages(&p, 1, 1);
    assert_int_equal(pair_carry(&p, &p.backup), -1);
    assert_int_equal(p.backup.error_code, WIRE_REJECT_TOO_LARGE);
    pair_free(&p);
}

/* ---- frames ---- */

static uint8_t frame[WIRE_FRAME_MAX + 1];

static void assert_frames(const struct pair *p, enum wire_type type, uint64_t epoch, size_t first,
                          uint16_t count)
{
    struct frames_iter it = {0};
    const uint8_t *got;
    uint32_t len;

    assert_int_equal(p->ev.type, type);
    assert_true(p->ev.u.frames.epoch == epoch);
    for (uint16_t i = 0; i < count; i++) {
        assert_true(msg_frames_next(&p->ev.u.frames, &it, &got, &len));
        assert_int_equal(len, first + i);
        assert_memory_equal(got, frame, len);
    }
    assert_false(msg_frames_next(&p->ev.u.frames, &it, &got, &len));
}

static void frames_arrive_as_they_were_in_both_directions(void **state)
{
    (void)state;
    struct frames_writer fw;
    struct pair p;

    sample_noise(frame, sizeof(frame), 1);
    assert_true(pair_open(&p, WIRE_FEATURES_ALL) && pair_begin(&p, WIRE_EPOCH_FULL));
    for (int back = 0; back < 2; back++) {
        enum wire_type type = back ? WIRE_FRAMES_IN : WIRE_FRAMES;
        struct session *from = back ? &p.backup : &p.primary, *to = back ? &p.primary : &p.backup;
        assert_false(session_frames_begin(to, &fw, pair_room(&p), type));
        assert_false(session_frames_begin(from, &fw, pair_room(&p), WIRE_BEAT));
        assert_true(session_frames_begin(from, &fw, pair_room(&p), type));
        for (size_t i = 0; i < 3; i++)
            assert_true(session_frames_add(&fw, frame, 60 + i));
        size_t n = session_frames_end(&fw, &p.w);
        assert_int_equal(n, pair_taken(&p));
        assert_int_equal(pair_carry(&p, to), 1);
        assert_frames(&p, type, back ? 0 : 1, 60, 3);
    }
    assert_true(p.primary.frames == 3 && p.backup.frames == 3);
    assert_true(pair_finish(&p));
    pair_free(&p);
}

static void frames_of_every_size(void **state)
{
    (void)state;
    static const size_t good[] = {WIRE_FRAME_MIN, 1514, WIRE_FRAME_MAX};
    static const size_t bad[] = {0, WIRE_FRAME_MIN - 1, WIRE_FRAME_MAX + 1};
    struct frames_writer fw;
    struct pair p;

    assert_true(pair_open(&p, 0) && pair_begin(&p, WIRE_EPOCH_FULL));
    for (int i = 0; i < 3; i++) {
        assert_true(session_frames_begin(&p.primary, &fw, pair_room(&p), WIRE_FRAMES));
        assert_false(session_frames_add(&fw, frame, bad[i]));
        assert_true(session_frames_add(&fw, frame, good[i]));
        assert_int_not_equal(session_frames_end(&fw, &p.w), 0);
        assert_int_equal(pair_carry(&p, &p.backup), 1);
        assert_frames(&p, WIRE_FRAMES, 1, good[i], 1);
    }
    pair_free(&p);
}

static void a_record_of_frames_ends_at_its_limit(void **state)
{
    (void)state;
    struct frames_writer fw;
    struct pair p;
    uint16_t count = 0;

    assert_true(pair_open(&p, 0) && pair_begin(&p, WIRE_EPOCH_FULL));
    p.w = (struct wcur){.p = p.out, .end = p.out + session_record_max()};
    assert_true(session_frames_begin(&p.primary, &fw, &p.w, WIRE_FRAMES));
    while (session_frames_add(&fw, frame, WIRE_FRAME_MAX))
        count++;
    assert_int_equal(count, (WIRE_PAYLOAD_MAX - 10) / (WIRE_FRAME_MAX + 4));
    assert_int_not_equal(session_frames_end(&fw, &p.w), 0);
    assert_int_equal(pair_carry(&p, &p.backup), 1);
    assert_int_equal(p.ev.u.frames.count, count);

    p.w = (struct wcur){.p = p.out, .end = p.out + WIRE_HEADER_LEN + 10 + 4 + 100};
    assert_true(session_frames_begin(&p.primary, &fw, &p.w, WIRE_FRAMES));
    assert_false(session_frames_add(&fw, frame, 101));
    assert_int_equal(session_frames_end(&fw, &p.w), 0); /* empty: taken back */
    assert_ptr_equal(p.w.p, p.out);
    assert_true(session_frames_begin(&p.primary, &fw, &p.w, WIRE_FRAMES));
    assert_true(session_frames_add(&fw, frame, 100));
    assert_int_not_equal(session_frames_end(&fw, &p.w), 0);
    assert_int_equal(pair_carry(&p, &p.backup), 1);
    assert_true(pair_finish(&p));
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_arrive_as_they_were),
        cmocka_unit_test(unchanged_pages_leave_no_trace),
        cmocka_unit_test(a_record_takes_cap_pages),
        cmocka_unit_test(pages_need_exactly_this_room),
        cmocka_unit_test(codings_are_those_agreed),
        cmocka_unit_test(pages_outside_the_vm_are_refused),
        cmocka_unit_test(an_epoch_fits_the_staging_of_the_backup),
        cmocka_unit_test(frames_arrive_as_they_were_in_both_directions),
        cmocka_unit_test(frames_of_every_size),
        cmocka_unit_test(a_record_of_frames_ends_at_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
