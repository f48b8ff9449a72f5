/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/epoch_util.h"

#include "engine/capture.h"

#define PAGES   700u
#define STAGING 400u
#define CACHE   ((size_t)PAGES * WIRE_PAGE_SIZE)

static const uint8_t no_digest[16];

/* What one session's epochs are made from. */
struct world {
    struct epochs e;
    struct capture c;
    struct frameq held;
    struct addrs addrs;
    uint64_t epoch;
    uint32_t seed;
    unsigned frames; /* sent so far, which is also their content */
};

static void world_open(struct world *w, size_t cache_bytes, uint32_t seed)
{
    memset(w, 0, sizeof(*w));
    w->seed = seed;
    epochs_open(&w->e, PAGES, cache_bytes, STAGING);
    frameq_init(&w->held, SIZE_MAX);
    assert_int_equal(capture_init(&w->c, &w->e.vm.vm, PAGES, CACHE, true), 0);
}

static void world_close(struct world *w)
{
    capture_free(&w->c);
    frameq_free(&w->held);
    epochs_close(&w->e);
}

/* The guest writes: whole pages of noise, of one octet, of zeroes, or a few octets, or the same. */
static void guest_runs(struct world *w, unsigned writes)
{
    struct fake_vm *vm = &w->e.vm;

    while (writes-- > 0) {
        uint64_t pfn = fake_random(&w->seed, PAGES);
        uint8_t value = (uint8_t)fake_random(&w->seed, 256);
        uint8_t *page = vm->mem + pfn * WIRE_PAGE_SIZE;
        switch (fake_random(&w->seed, 5)) {
        case 0:
            sample_noise(page, WIRE_PAGE_SIZE, w->seed);
            fake_vm_write(vm, pfn, 0, page[0], 1);
            break;
        case 1:
            fake_vm_write(vm, pfn, 0, value, WIRE_PAGE_SIZE);
            break;
        case 2:
            fake_vm_write(vm, pfn, 0, 0, WIRE_PAGE_SIZE);
            break;
        case 3:
            fake_vm_write(vm, pfn, fake_random(&w->seed, 4000), value, 90);
            break;
        default: /* dirty, and as it was */
            fake_vm_write(vm, pfn, 9, page[9], 1);
        }
    }
    vm->state_len = 1 + fake_random(&w->seed, 5000);
    if (fake_random(&w->seed, 12) == 0)
        vm->state_len = HV_STATE_MAX - fake_random(&w->seed, 2);
    sample_noise(vm->state, vm->state_len, w->seed);
}

static void guest_talks(struct world *w)
{
    static uint8_t frame[WIRE_FRAME_MAX];

    for (uint32_t n = fake_random(&w->seed, 6); n > 0; n--) {
        size_t len = WIRE_FRAME_MIN + fake_random(&w->seed, 1500);
        if (fake_random(&w->seed, 10) == 0)
            len = WIRE_FRAME_MAX;
        memset(frame, (int)w->frames, len);
        memcpy(frame, &w->frames, sizeof(w->frames));
        w->frames++;
        assert_int_equal(frameq_push(&w->held, w->epoch + 1, frame, len), 0);
    }
    if (fake_random(&w->seed, 4) == 0) {
        w->addrs.count = 1 + fake_random(&w->seed, ADDRS_MAX);
        for (size_t i = 0; i < w->addrs.count; i++)
            w->addrs.addr[i] = (struct addr){.family = 4,
                                             .mac = {2, 0, 0, 0, 0, (uint8_t)i},
                                             .vlan = (uint16_t)i,
                                             .ip = {10, 0, 0, (uint8_t)(i + 1)}};
        w->addrs.version++;
    }
}

static void no_cut(void *arg)
{
    (void)arg;
}

static void code_all(struct world *w)
{
    struct err err;
    int r;

    do {
        r = sender_step(&w->e.sender, &err);
        if (r < 0)
            fail_msg("%s", err.text);
        if (link_full(w->e.primary))
            epochs_turn(&w->e);
    } while (r > 0);
    assert_int_equal(sender_left(&w->e.sender), 0);
}

static void finish(struct world *w)
{
    struct sender *s = &w->e.sender;
    struct mono sent = {0};
    struct err err;

    assert_int_equal(sender_frames(s, &w->held), 0);
    assert_int_equal(sender_addrs(s, &w->addrs), 0);
    assert_int_equal(sender_end(s, w->c.state, w->c.state_len, w->c.image_digest, &sent), 0);
    assert_true(sent.ns > 0);
    if (hv_stopped(&w->e.vm.vm))
        assert_int_equal(hv_resume(&w->e.vm.vm, &err), 0);
    epochs_turn(&w->e);
    if (w->e.err.text[0])
        fail_msg("epoch %u: %s", (unsigned)w->epoch, w->e.err.text);
}

/* Replica, state, frames and addresses are the VM's at the end of this epoch. */
static void same_on_both_sides(struct world *w, unsigned frames_before)
{
    struct epochs *e = &w->e;
    const void *frame;
    size_t len;

    assert_int_equal(e->store.sealed, w->epoch);
    assert_true(e->store.usable);
    assert_memory_equal(e->replica.mem, e->vm.mem, (size_t)PAGES * WIRE_PAGE_SIZE);
    assert_int_equal(e->replica.state_len, w->c.state_len);
    assert_memory_equal(e->replica.state, w->c.state, w->c.state_len);
    for (unsigned i = frames_before; i < w->frames; i++) {
        frame = frameq_peek(&e->arrived, w->epoch, &len);
        assert_non_null(frame);
        assert_memory_equal(frame, &i, sizeof(i));
        frameq_pop(&e->arrived);
    }
    assert_null(frameq_peek(&e->arrived, UINT64_MAX, &len));
    assert_int_equal(e->store.sealed_addrs.count, w->addrs.count);
    for (size_t i = 0; i < w->addrs.count; i++) {
        assert_memory_equal(e->store.sealed_addrs.addr[i].ip, w->addrs.addr[i].ip, 16);
        assert_int_equal(e->store.sealed_addrs.addr[i].vlan, w->addrs.addr[i].vlan);
    }
}

/* The first copy of a session: rounds over a VM that runs, then a capture of what is left. */
static void first_copy(struct world *w)
{
    struct bitmap todo;
    struct err err;
    unsigned frames = w->frames;

    w->epoch = 1;
    assert_int_equal(bitmap_init(&todo, PAGES), 0);
    bitmap_set_all(&todo);
    assert_int_equal(sender_begin(&w->e.sender, 1, WIRE_EPOCH_FULL), 0);
    for (unsigned round = 0; round < 3; round++) {
        sender_from_vm(&w->e.sender, &todo);
        assert_int_equal(sender_left(&w->e.sender), bitmap_count(&todo));
        assert_int_equal(sender_step(&w->e.sender, &err) >= 0, 1);
        guest_runs(w, 200);
        code_all(w);
        assert_int_equal(hv_fetch_dirty(&w->e.vm.vm, &todo, &err), 0);
    }
    assert_int_equal(capture_epoch(&w->c, &todo, 10, false, no_cut, NULL, &err), 0);
    sender_from_staging(&w->e.sender, w->c.pfn, w->c.pages, w->c.staging);
    code_all(w);
    finish(w);
    same_on_both_sides(w, frames);
    bitmap_free(&todo);
}

/* `full`: written in place at the backup; `live`: read from the stopped VM instead of staging. */
static void one_epoch(struct world *w, bool full, bool live, unsigned writes)
{
    struct err err;
    unsigned frames = w->frames;

    guest_runs(w, writes);
    guest_talks(w);
    w->epoch++;
    assert_int_equal(capture_epoch(&w->c, NULL, 10, live, no_cut, NULL, &err), 0);
    assert_int_equal(sender_begin(&w->e.sender, w->epoch, full ? WIRE_EPOCH_FULL : 0), 0);
    if (live)
        sender_from_vm(&w->e.sender, &w->c.dirty);
    else
        sender_from_staging(&w->e.sender, w->c.pfn, w->c.pages, w->c.staging);
    code_all(w);
    finish(w);
    same_on_both_sides(w, frames);
}

static void random_epochs(struct world *w, unsigned epochs)
{
    first_copy(w);
    for (unsigned i = 1; i < epochs; i++) {
        bool full = fake_random(&w->seed, 8) == 0;
        bool live = fake_random(&w->seed, 4) == 0;
        unsigned most = full ? 3 * PAGES : STAGING;
        one_epoch(w, full, live, fake_random(&w->seed, most));
    }
}

static void memory_is_reproduced_exactly(void **state)
{
    (void)state;
    static const size_t caches[] = {CACHE, 100 * WIRE_PAGE_SIZE, 0};
    for (size_t i = 0; i < ARRAY_LEN(caches); i++) {
        struct world w;

        world_open(&w, caches[i], (uint32_t)i + 1);
        random_epochs(&w, 50);
        for (int choice = PAGE_UNCHANGED; choice <= PAGE_DELTA; choice++) {
            bool needs_base = choice == PAGE_UNCHANGED || choice == PAGE_DELTA;
            assert_int_equal(w.e.sender.coding[choice + 1] > 0, !needs_base || caches[i] > 0);
        }
        world_close(&w);
    }
}

static void memory_is_reproduced_without_any_feature(void **state)
{
    (void)state;
    struct world w;

    world_open(&w, CACHE, 9);
    w.e.features = 0;
    epochs_connect(&w.e);
    random_epochs(&w, 10);
    assert_int_equal(w.e.sender.coding[PAGE_DELTA + 1] + w.e.sender.coding[PAGE_LZ4 + 1], 0);
    world_close(&w);
}

/* What was sent of an epoch whose session broke off is no base for the next session. */
static void new_session_after_a_loss_starts_from_nothing(void **state)
{
    (void)state;
    struct world w;
    struct err err;

    world_open(&w, CACHE, 5);
    for (unsigned session = 0; session < 4; session++) {
        random_epochs(&w, 4);
        guest_runs(&w, 300);
        assert_int_equal(sender_begin(&w.e.sender, w.epoch + 1, session % 2 ? WIRE_EPOCH_FULL : 0),
                         0);
        assert_int_equal(capture_epoch(&w.c, NULL, 10, false, no_cut, NULL, &err), 0);
        sender_from_staging(&w.e.sender, w.c.pfn, w.c.pages, w.c.staging);
        assert_int_equal(sender_step(&w.e.sender, &err), 1);
        epochs_turn(&w.e);
        memset(w.e.replica.mem, 0, (size_t)PAGES * WIRE_PAGE_SIZE); /* another replica */
        epochs_connect(&w.e);
        w.addrs.count = 0;
    }
    world_close(&w);
}

static void epoch_with_nothing_dirty_is_an_epoch(void **state)
{
    (void)state;
    struct world w;

    world_open(&w, CACHE, 3);
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

    world_open(&w, CACHE, 3);
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

    world_open(&w, CACHE, 3);
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

    world_open(&w, CACHE, 3);
    assert_int_equal(bitmap_init(&todo, PAGES), 0);
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

    world_open(&w, CACHE, 3);
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
    guest_runs(&w, 4 * PAGES);
    assert_int_equal(capture_epoch(&w.c, NULL, 10, false, no_cut, NULL, &err), 0);
    assert_true(w.c.pages > STAGING);
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
        cmocka_unit_test(memory_is_reproduced_exactly),
        cmocka_unit_test(memory_is_reproduced_without_any_feature),
        cmocka_unit_test(new_session_after_a_loss_starts_from_nothing),
        cmocka_unit_test(epoch_with_nothing_dirty_is_an_epoch),
        cmocka_unit_test(frames_of_later_epochs_stay_behind),
        cmocka_unit_test(addresses_are_sent_when_they_change),
        cmocka_unit_test(vm_that_cannot_be_read_ends_the_epoch),
        cmocka_unit_test(what_the_session_forbids_is_an_error),
        cmocka_unit_test(backups_staging_is_respected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
