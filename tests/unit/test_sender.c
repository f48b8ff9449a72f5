/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/epoch_world_util.h"

static const uint8_t no_digest[16];

static void epoch_with_nothing_dirty_is_an_epoch(void **state)
{
    (void)state;
    struct world w;

    world_open(&w, WORLD_CACHE, 3);
    first_copy(&w);
    uint64_t content = w.e.sender.bytes_content;
    one_epoch(&w, false, false, 0);
    assert_int_equal(w.e.sender.bytes_content, content);
    world_close(&w);
}

/* More frames than one record takes, and none of the epochs to come. */
static void frames_of_later_epochs_stay_behind(void **state)
{
    (void)state;
    static const uint8_t frame[WIRE_FRAME_MAX];
    struct world w;
    size_t frames, bytes;

    world_open(&w, WORLD_CACHE, 3);
    first_copy(&w);
    w.epoch = 2;
    assert_int_equal(sender_begin(&w.e.sender, 2, 0), 0);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(frameq_push(&w.held, 2, frame, sizeof(frame)), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(frameq_push(&w.held, 3, frame, sizeof(frame)), 0);
    finish(&w);
    frameq_held(&w.held, UINT64_MAX, &frames, &bytes);
    assert_int_equal(frames, 3);
    frameq_held(&w.e.arrived, UINT64_MAX, &frames, &bytes);
    assert_int_equal(frames, 40);
    assert_int_equal(w.e.sender.frames, 40);
    world_close(&w);
}

static void addresses_are_sent_when_they_change(void **state)
{
    (void)state;
    struct world w;
    struct addrs none = {.count = 0};

    world_open(&w, WORLD_CACHE, 3);
    first_copy(&w);
    assert_int_equal(sender_begin(&w.e.sender, 2, 0), 0);
    size_t before = link_queued(w.e.primary);
    assert_int_equal(sender_addrs(&w.e.sender, &none), 0);
    assert_int_equal(link_queued(w.e.primary), before);
    w.addrs = (struct addrs){.count = 1, .version = 7, .addr = {{.family = 4, .mac = {2}}}};
    w.addrs.addr[0].ip[0] = 10;
    assert_int_equal(sender_addrs(&w.e.sender, &w.addrs), 0);
    size_t after = link_queued(w.e.primary);
    assert_true(after > before);
    assert_int_equal(sender_addrs(&w.e.sender, &w.addrs), 0);
    assert_int_equal(link_queued(w.e.primary), after);
    world_close(&w);
}

static void vm_that_cannot_be_read_ends_the_epoch(void **state)
{
    (void)state;
    struct world w;
    struct bitmap todo;
    struct err err = {0};

    world_open(&w, WORLD_CACHE, 3);
    assert_int_equal(bitmap_init(&todo, WORLD_PAGES), 0);
    bitmap_set_all(&todo);
    assert_int_equal(sender_begin(&w.e.sender, 1, WIRE_EPOCH_FULL), 0);
    sender_from_vm(&w.e.sender, &todo);
    assert_int_equal(sender_step(&w.e.sender, &err), 1);
    w.e.vm.fail = (struct fake_fail){"copy", ESRCH, 1};
    assert_int_equal(sender_step(&w.e.sender, &err), -1);
    assert_int_equal(errno, ESRCH);
    assert_true(err.text[0] != '\0');
    bitmap_free(&todo);
    world_close(&w);
}

static void what_the_session_forbids_is_an_error(void **state)
{
    (void)state;
    struct world w;
    struct mono sent;

    world_open(&w, WORLD_CACHE, 3);
    assert_int_equal(sender_begin(&w.e.sender, 2, 0), -1); /* epoch 1 was never begun */
    assert_int_equal(errno, EPROTO);
    assert_int_equal(sender_begin(&w.e.sender, 1, WIRE_EPOCH_FULL), 0);
    assert_int_equal(sender_begin(&w.e.sender, 1, WIRE_EPOCH_FULL), -1);
    assert_int_equal(sender_end(&w.e.sender, "s", 1, no_digest, &sent), 0);
    assert_int_equal(sender_end(&w.e.sender, "s", 1, no_digest, &sent), -1);
    assert_int_equal(errno, EPROTO);
    world_close(&w);
}

/* A page count above what the backup stages is not sent, whatever the caller thinks. */
static void backups_staging_is_respected(void **state)
{
    (void)state;
    struct world w;
    struct err err = {0};
    int r;

    world_open(&w, 0, 3);
    first_copy(&w);
    guest_runs(&w, 4 * WORLD_PAGES);
    assert_int_equal(capture_epoch(&w.c, NULL, 10, false, no_cut, NULL, &err), 0);
    assert_true(w.c.pages > WORLD_STAGING);
    assert_int_equal(sender_begin(&w.e.sender, 2, 0), 0);
    sender_from_staging(&w.e.sender, w.c.pfn, w.c.pages, w.c.staging);
    do
        r = sender_step(&w.e.sender, &err);
    while (r > 0);
    assert_int_equal(r, -1);
    assert_int_equal(errno, EPROTO);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epoch_with_nothing_dirty_is_an_epoch),
        cmocka_unit_test(frames_of_later_epochs_stay_behind),
        cmocka_unit_test(addresses_are_sent_when_they_change),
        cmocka_unit_test(vm_that_cannot_be_read_ends_the_epoch),
        cmocka_unit_test(what_the_session_forbids_is_an_error),
        cmocka_unit_test(backups_staging_is_respected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
