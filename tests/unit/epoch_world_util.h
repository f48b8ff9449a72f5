/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_EPOCH_WORLD_UTIL_H
#define REMUS_TESTS_EPOCH_WORLD_UTIL_H

#include "engine/capture.h"
#include "tests/unit/epoch_util.h"

/** A guest that runs and talks, and its epochs, each compared with what the backup made of it. */

#define WORLD_PAGES   700u
#define WORLD_STAGING 400u
#define WORLD_CACHE   ((size_t)WORLD_PAGES * WIRE_PAGE_SIZE)

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

static inline void world_open(struct world *w, size_t cache_bytes, uint32_t seed)
{
    memset(w, 0, sizeof(*w));
    w->seed = seed;
    epochs_open(&w->e, WORLD_PAGES, cache_bytes, WORLD_STAGING);
    frameq_init(&w->held, SIZE_MAX);
    assert_int_equal(capture_init(&w->c, &w->e.vm.vm, WORLD_PAGES, WORLD_CACHE, true), 0);
}

static inline void world_close(struct world *w)
{
    capture_free(&w->c);
    frameq_free(&w->held);
    epochs_close(&w->e);
}

/* The guest writes: whole pages of noise, of one octet, of zeroes, or a few octets, or the same. */
static inline void guest_runs(struct world *w, unsigned writes)
{
    struct fake_vm *vm = &w->e.vm;

    while (writes-- > 0) {
        uint64_t pfn = fake_random(&w->seed, WORLD_PAGES);
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

static inline void guest_talks(struct world *w)
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

static inline void no_cut(void *arg)
{
    (void)arg;
}

static inline void code_all(struct world *w)
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

static inline void finish(struct world *w)
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
static inline void same_on_both_sides(struct world *w, unsigned frames_before)
{
    struct epochs *e = &w->e;
    const void *frame;
    size_t len;

    assert_int_equal(e->store.sealed, w->epoch);
    assert_true(e->store.usable);
    assert_memory_equal(e->replica.mem, e->vm.mem, (size_t)WORLD_PAGES * WIRE_PAGE_SIZE);
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
static inline void first_copy(struct world *w)
{
    struct bitmap todo;
    struct err err;
    unsigned frames = w->frames;

    w->epoch = 1;
    assert_int_equal(bitmap_init(&todo, WORLD_PAGES), 0);
    bitmap_set_all(&todo);
    assert_int_equal(sender_begin(&w->e.sender, 1, WIRE_EPOCH_FULL), 0);
    for (unsigned round = 0; round < 3; round++) {
        sender_from_vm(&w->e.sender, &todo);
        assert_int_equal(sender_left(&w->e.sender), bitmap_count(&todo));
        assert_int_equal(sender_step(&w->e.sender, &err) >= 0, 1);
        guest_runs(w, 200);
        code_all(w);
        bitmap_zero(&todo);
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
static inline void one_epoch(struct world *w, bool full, bool live, unsigned writes)
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

#endif
