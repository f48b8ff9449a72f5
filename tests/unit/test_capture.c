/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fake_hv_util.h"

#include "engine/base/fault.h"
#include "engine/capture.h"

#define PAGES   4096u
#define STAGING ((size_t)PAGES * HV_PAGE_SIZE)

/* A VM under capture, and the image that a backup would have of it. */
struct rig {
    struct fake_vm f;
    struct capture c;
    uint8_t *image;
    unsigned cuts;
    bool ran_at_cut;
};

static void arm(const char *fault)
{
    assert_int_equal(setenv("REMUS_FAULT", fault, 1), 0);
    assert_int_equal(fault_init(), 0);
}

static void rig_init(struct rig *r, size_t staging_bytes, bool image_digests)
{
    arm("");
    memset(r, 0, sizeof(*r));
    fake_vm_init(&r->f, PAGES);
    r->image = calloc(PAGES, HV_PAGE_SIZE);
    assert_non_null(r->image);
    assert_int_equal(capture_init(&r->c, &r->f.vm, PAGES, staging_bytes, image_digests), 0);
}

static void rig_free(struct rig *r)
{
    capture_free(&r->c);
    fake_vm_free(&r->f);
    free(r->image);
}

static void on_cut(void *arg)
{
    struct rig *r = arg;
    r->cuts++;
    r->ran_at_cut |= r->f.running;
}

static int take(struct rig *r, const struct bitmap *also, bool leave_stopped)
{
    struct err err = {0};
    int rc = capture_epoch(&r->c, also, 100, leave_stopped, on_cut, r, &err);
    int saved = errno;
    assert_int_equal(rc == 0, err.text[0] == '\0');
    errno = saved;
    return rc;
}

/* What a backup does with the epoch; the pages come from where the sender would take them. */
static void apply(struct rig *r)
{
    for (size_t i = 0; i < r->c.pages; i++) {
        const uint8_t *from =
            r->c.staged ? r->c.staging + i * HV_PAGE_SIZE : r->f.mem + r->c.pfn[i] * HV_PAGE_SIZE;
        memcpy(r->image + r->c.pfn[i] * HV_PAGE_SIZE, from, HV_PAGE_SIZE);
        assert_true(bitmap_test(&r->c.dirty, r->c.pfn[i]));
    }
    assert_int_equal(bitmap_count(&r->c.dirty), r->c.pages);
    assert_memory_equal(r->image, r->f.mem, (size_t)PAGES * HV_PAGE_SIZE);
}

static void dirty_pages_and_state_are_captured(void **state)
{
    (void)state;
    struct rig r;

    rig_init(&r, STAGING, false);
    for (uint64_t pfn = 0; pfn < PAGES; pfn += 100)
        fake_vm_write(&r.f, pfn, 7, (uint8_t)pfn, 9);
    memcpy(r.f.state, "cpu01", 5);
    assert_int_equal(take(&r, NULL, false), 0);
    assert_true(r.c.staged && r.f.running && !r.ran_at_cut);
    assert_int_equal(r.cuts, 1);
    assert_int_equal(r.c.pages, (PAGES + 99) / 100);
    assert_int_equal(r.c.state_len, 5);
    assert_memory_equal(r.c.state, "cpu01", 5);
    apply(&r);
    assert_int_equal(take(&r, NULL, false), 0);
    assert_int_equal(r.c.pages, 0);
    rig_free(&r);
}

static void vm_stays_stopped_when_asked(void **state)
{
    (void)state;
    struct rig r;

    rig_init(&r, STAGING, false);
    fake_vm_write(&r.f, 5, 0, 1, 1);
    assert_int_equal(take(&r, NULL, true), 0);
    assert_true(r.c.staged && !r.f.running && hv_stopped(&r.f.vm));
    apply(&r);
    /* One that is stopped already is captured as it is, and then let go. */
    assert_int_equal(take(&r, NULL, false), 0);
    assert_true(r.f.running);
    assert_int_equal(r.cuts, 2);
    rig_free(&r);
}

static void epoch_beyond_staging_stays_in_the_stopped_vm(void **state)
{
    (void)state;
    struct rig r;
    struct err err;

    rig_init(&r, 10 * HV_PAGE_SIZE + 1, false);
    for (uint64_t pfn = 0; pfn < 10; pfn++)
        fake_vm_write(&r.f, pfn, 0, 3, HV_PAGE_SIZE);
    assert_int_equal(take(&r, NULL, false), 0);
    assert_true(r.c.staged && r.f.running);
    apply(&r);
    for (uint64_t pfn = 20; pfn < 31; pfn++)
        fake_vm_write(&r.f, pfn, 0, 4, HV_PAGE_SIZE);
    assert_int_equal(take(&r, NULL, false), 0);
    assert_true(!r.c.staged && !r.f.running);
    apply(&r);
    assert_int_equal(hv_resume(&r.f.vm, &err), 0);
    assert_int_equal(capture_grow(&r.c), 0);
    assert_int_equal(r.c.ready_pages, 10);
    rig_free(&r);
}

static void pages_named_by_the_caller_are_captured_too(void **state)
{
    (void)state;
    struct rig r;
    struct bitmap also;

    assert_int_equal(bitmap_init(&also, PAGES), 0);
    rig_init(&r, STAGING, false);
    memset(r.f.mem + 17 * HV_PAGE_SIZE, 0x55, HV_PAGE_SIZE); /* not in the log */
    bitmap_set(&also, 17);
    fake_vm_write(&r.f, 18, 0, 1, 1);
    r.f.fail = (struct fake_fail){"copy", EIO, 1};
    assert_int_equal(take(&r, &also, false), -1);
    assert_int_equal(take(&r, NULL, false), 0);
    assert_int_equal(r.c.pages, 2);
    apply(&r);
    bitmap_free(&also);
    rig_free(&r);
}

static const struct fake_fail failures[] = {
    {"stop", ETIMEDOUT, 1}, {"fetch_dirty", ENOMEM, 1}, {"copy", EFAULT, 1},
    {"copy", EFAULT, 3},    {"save_state", ENOBUFS, 1}, {"save_state", ENOMEM, 4},
    {"resume", EAGAIN, 1},  {"resume", ECANCELED, 1},
};

static unsigned writes(struct rig *r, struct bitmap *all, uint32_t *seed, uint8_t value)
{
    for (unsigned k = 0; k < 20; k++) {
        uint64_t pfn = fake_random(seed, PAGES);
        fake_vm_write(&r->f, pfn, value, value, 40);
        bitmap_set(all, pfn);
    }
    return (unsigned)bitmap_count(all);
}

/* After each failure the VM runs, and the next capture that works has just what was dirtied. */
static void failed_capture_loses_nothing_and_lets_the_vm_run(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        struct rig r;
        struct bitmap all;
        uint32_t seed = (uint32_t)i;
        unsigned pages = 0;

        rig_init(&r, STAGING, false);
        assert_int_equal(bitmap_init(&all, PAGES), 0);
        (void)writes(&r, &all, &seed, 200);
        assert_int_equal(take(&r, NULL, false), 0);
        apply(&r);
        bitmap_zero(&all);
        r.f.fail = failures[i];
        for (unsigned n = 0; n < failures[i].calls; n++) {
            pages = writes(&r, &all, &seed, (uint8_t)n);
            assert_int_equal(take(&r, NULL, false), -1);
            assert_int_equal(errno, failures[i].error);
            assert_true(r.f.running && !hv_stopped(&r.f.vm));
        }
        assert_int_equal(take(&r, NULL, false), 0);
        assert_int_equal(r.c.pages, pages);
        apply(&r);
        /* What was carried is captured once. */
        assert_int_equal(take(&r, NULL, false), 0);
        assert_int_equal(r.c.pages, 0);
        bitmap_free(&all);
        rig_free(&r);
    }
}

static void vm_that_cannot_be_resumed_is_tried_again(void **state)
{
    (void)state;
    struct rig r;

    rig_init(&r, STAGING, false);
    fake_vm_write(&r.f, 8, 0, 1, 1);
    r.f.fail = (struct fake_fail){"resume", EAGAIN, 2};
    assert_int_equal(take(&r, NULL, false), -1);
    assert_int_equal(errno, EAGAIN);
    assert_true(hv_stopped(&r.f.vm));
    assert_int_equal(take(&r, NULL, false), 0);
    assert_true(r.f.running);
    assert_int_equal(r.c.pages, 1);
    apply(&r);
    rig_free(&r);
}

/* Hundreds of epochs in which anything may fail at any time. */
static void image_is_exact_after_any_mix_of_failures(void **state)
{
    (void)state;
    struct rig r;
    uint32_t seed = 42;
    unsigned good = 0;

    rig_init(&r, 40 * HV_PAGE_SIZE, true);
    for (unsigned round = 0; round < 300; round++) {
        for (uint32_t k = fake_random(&seed, 50); k > 0; k--)
            fake_vm_write(&r.f, fake_random(&seed, 64), fake_random(&seed, 4000), (uint8_t)round,
                          fake_random(&seed, 90));
        r.f.fail.op = NULL;
        if (fake_random(&seed, 2))
            r.f.fail = failures[fake_random(&seed, ARRAY_LEN(failures))];
        r.f.fail.calls = 1;
        bool ok = take(&r, NULL, false) == 0;
        if (ok && ++good % 16 == 1) /* comparing all of memory takes its time */
            apply(&r);
        else if (ok)
            for (size_t i = 0; i < r.c.pages; i++)
                memcpy(r.image + r.c.pfn[i] * HV_PAGE_SIZE, r.f.mem + r.c.pfn[i] * HV_PAGE_SIZE,
                       HV_PAGE_SIZE);
        struct err err;
        r.f.fail.op = NULL;
        if (hv_stopped(&r.f.vm))
            assert_int_equal(hv_resume(&r.f.vm, &err), 0);
    }
    assert_in_range(good, 50, 299);
    rig_free(&r);
}

static void reset_forgets_what_was_carried(void **state)
{
    (void)state;
    struct rig r;

    rig_init(&r, STAGING, false);
    fake_vm_write(&r.f, 8, 0, 1, 1);
    r.f.fail = (struct fake_fail){"save_state", EIO, 1};
    assert_int_equal(take(&r, NULL, false), -1);
    capture_reset(&r.c);
    assert_int_equal(take(&r, NULL, false), 0);
    assert_int_equal(r.c.pages, 0);
    rig_free(&r);
}

static void refused_staging_memory_keeps_large_epochs_in_the_vm(void **state)
{
    (void)state;
    struct rig r;
    struct err err;

    rig_init(&r, STAGING, false);
    size_t before = r.c.ready_pages;
    assert_in_range(before, 1, PAGES - 1);
    for (uint64_t pfn = 0; pfn < before; pfn++)
        fake_vm_write(&r.f, pfn, 0, 1, 1);
    assert_int_equal(take(&r, NULL, false), 0);
    arm("primary_stage_alloc:1:fail");
    errno = 0;
    assert_int_equal(capture_grow(&r.c), -1);
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(r.c.ready_pages, before);
    apply(&r);

    for (uint64_t pfn = 0; pfn <= before; pfn++)
        fake_vm_write(&r.f, pfn, 0, 2, 1);
    assert_int_equal(take(&r, NULL, false), 0);
    assert_true(!r.c.staged && !r.f.running);
    apply(&r);
    assert_int_equal(hv_resume(&r.f.vm, &err), 0);
    assert_int_equal(capture_grow(&r.c), 0);
    assert_true(r.c.ready_pages > before);
    for (uint64_t pfn = 0; pfn <= before; pfn++)
        fake_vm_write(&r.f, pfn, 0, 3, 1);
    assert_int_equal(take(&r, NULL, false), 0);
    assert_true(r.c.staged && r.f.running);
    apply(&r);
    arm("");
    rig_free(&r);
}

/* A small epoch after the refusal does not bring the memory back: nobody may say that it did. */
static void shortage_is_told_until_it_is_over(void **state)
{
    (void)state;
    struct rig r;

    rig_init(&r, STAGING, false);
    for (uint64_t pfn = 0; pfn < r.c.ready_pages; pfn++)
        fake_vm_write(&r.f, pfn, 0, 1, 1);
    assert_int_equal(take(&r, NULL, false), 0);
    arm("primary_stage_alloc:1:fail,primary_stage_alloc:2:fail");
    assert_int_equal(capture_grow(&r.c), -1);
    fake_vm_write(&r.f, 0, 0, 2, 1);
    assert_int_equal(take(&r, NULL, false), 0);
    assert_int_equal(capture_grow(&r.c), -1);
    assert_int_equal(capture_grow(&r.c), 0);
    arm("");
    rig_free(&r);
}

static void refused_memory_at_the_start_is_given_back(void **state)
{
    (void)state;
    struct rig r;
    struct capture c;

    rig_init(&r, STAGING, false);
    arm("primary_stage_alloc:1:fail");
    errno = 0;
    assert_int_equal(capture_init(&c, &r.f.vm, PAGES, STAGING, true), -1);
    assert_int_equal(errno, ENOMEM);
    assert_null(c.staging);
    assert_null(c.pfn);
    arm("");
    errno = 0;
    assert_int_equal(capture_init(&c, &r.f.vm, PAGES, 0, true), -1); /* no staging at all */
    assert_int_equal(errno, ENOMEM);
    rig_free(&r);
}

static void image_digest_is_of_all_memory_at_the_stop(void **state)
{
    (void)state;
    struct rig r;
    struct digest *d = digest_new();
    uint8_t want[16];

    rig_init(&r, STAGING, true);
    fake_vm_write(&r.f, PAGES - 1, 100, 1, 50);
    digest_image_reset(d);
    for (uint64_t pfn = 0; pfn < PAGES; pfn++)
        digest_image_page(d, r.f.mem + pfn * HV_PAGE_SIZE);
    digest_final(d, want);
    assert_int_equal(take(&r, NULL, false), 0);
    fake_vm_write(&r.f, 3, 0, 1, 1);
    assert_memory_equal(r.c.image_digest, want, sizeof(want));
    digest_free(d);
    rig_free(&r);

    rig_init(&r, STAGING, false);
    memset(want, 0, sizeof(want));
    assert_int_equal(take(&r, NULL, false), 0);
    assert_memory_equal(r.c.image_digest, want, sizeof(want));
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dirty_pages_and_state_are_captured),
        cmocka_unit_test(vm_stays_stopped_when_asked),
        cmocka_unit_test(epoch_beyond_staging_stays_in_the_stopped_vm),
        cmocka_unit_test(pages_named_by_the_caller_are_captured_too),
        cmocka_unit_test(failed_capture_loses_nothing_and_lets_the_vm_run),
        cmocka_unit_test(vm_that_cannot_be_resumed_is_tried_again),
        cmocka_unit_test(image_is_exact_after_any_mix_of_failures),
        cmocka_unit_test(reset_forgets_what_was_carried),
        cmocka_unit_test(refused_staging_memory_keeps_large_epochs_in_the_vm),
        cmocka_unit_test(shortage_is_told_until_it_is_over),
        cmocka_unit_test(refused_memory_at_the_start_is_given_back),
        cmocka_unit_test(image_digest_is_of_all_memory_at_the_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
