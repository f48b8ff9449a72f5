/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/sim_process.h"

#include "engine/capture.h"

/* Captures of a real process whose guest writes all the time. */

#define PAGES   4096u
#define STAGING ((size_t)PAGES * HV_PAGE_SIZE)

static void cut_while_stopped(void *arg)
{
    struct hv_vm *vm = arg;
    assert_true(hv_stopped(vm));
}

static void put_together(const struct capture *c, struct hv_vm *vm, uint8_t *image)
{
    static uint8_t page[HV_PAGE_SIZE];
    struct err err;

    for (size_t i = 0; i < c->pages; i++) {
        const uint8_t *from = c->staging + i * HV_PAGE_SIZE;
        if (!c->staged) {
            assert_int_equal(hv_copy(vm, &c->pfn[i], 1, page, &err), 0);
            from = page;
        }
        memcpy(image + c->pfn[i] * HV_PAGE_SIZE, from, HV_PAGE_SIZE);
    }
}

static void image_is(const uint8_t *image, const uint8_t want[16])
{
    struct digest *d = digest_new();
    uint8_t got[16];

    digest_image_reset(d);
    for (uint64_t pfn = 0; pfn < PAGES; pfn++)
        digest_image_page(d, image + pfn * HV_PAGE_SIZE);
    digest_final(d, got);
    digest_free(d);
    assert_memory_equal(got, want, sizeof(got));
}

/* Every epoch's pages, put onto those before, are the VM's memory at that epoch's stop. */
static void run_epochs(struct sim_test *t, size_t staging_bytes, unsigned epochs)
{
    uint8_t *image = calloc(PAGES, HV_PAGE_SIZE);
    struct capture c;
    struct hv_vm *vm;
    struct err err = {0};

    assert_non_null(image);
    assert_int_equal(hv_attach(t->hv, &t->uuid, HV_SUSPEND_AUTO, &vm, &err), 0);
    assert_int_equal(hv_log_start(vm, &err), 0);
    assert_int_equal(capture_init(&c, vm, PAGES, staging_bytes, true), 0);
    for (unsigned i = 0; i < epochs; i++) {
        if (capture_epoch(&c, NULL, 10000, i % 4 == 3, cut_while_stopped, vm, &err))
            fail_msg("%s", err.text);
        assert_true(c.state_len > 0);
        assert_int_equal(hv_stopped(vm), !c.staged || i % 4 == 3);
        put_together(&c, vm, image);
        image_is(image, c.image_digest);
        if (hv_stopped(vm))
            assert_int_equal(hv_resume(vm, &err), 0);
        assert_int_equal(capture_grow(&c), 0);
    }
    capture_free(&c);
    hv_end(vm);
    free(image);
}

static void staged_epochs_add_up_to_the_memory(void **state)
{
    struct sim_test *t = *state;

    sim_test_start(t, "--dirty-rate=50000");
    run_epochs(t, STAGING, 12);
    assert_true(sim_test_pattern_good(t));
}

static void epochs_too_large_for_staging_add_up_too(void **state)
{
    struct sim_test *t = *state;

    sim_test_start(t, "--dirty-rate=50000");
    run_epochs(t, 8 * HV_PAGE_SIZE, 8);
    assert_true(sim_test_pattern_good(t));
}

static void vm_that_is_gone_is_told(void **state)
{
    struct sim_test *t = *state;
    struct capture c;
    struct hv_vm *vm;
    struct err err = {0};

    sim_test_start(t, NULL);
    assert_int_equal(hv_attach(t->hv, &t->uuid, HV_SUSPEND_AUTO, &vm, &err), 0);
    assert_int_equal(hv_log_start(vm, &err), 0);
    assert_int_equal(capture_init(&c, vm, PAGES, STAGING, false), 0);
    assert_int_equal(capture_epoch(&c, NULL, 10000, false, cut_while_stopped, vm, &err), 0);
    kill(t->vm, SIGKILL);
    sim_test_wait(t);
    assert_int_equal(capture_epoch(&c, NULL, 10000, false, cut_while_stopped, vm, &err), -1);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(hv_vm_gone(vm), HV_CRASHED);
    capture_free(&c);
    hv_end(vm);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, sim_test_setup, sim_test_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(staged_epochs_add_up_to_the_memory),
        TEST(epochs_too_large_for_staging_add_up_too),
        TEST(vm_that_is_gone_is_told),
    };

    if (!sim_test_program()) {
        fprintf(stderr, "remus-simvm is not built\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
