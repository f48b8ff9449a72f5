/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/sim_process.h"

/** Two hosts are two directories: the VM runs in `a`, its replica is kept in `b`. */
struct hosts {
    void *a, *b;
};

static int setup(void **state)
{
    struct hosts *h = calloc(1, sizeof(*h));

    sim_test_setup(&h->a);
    sim_test_setup(&h->b);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    struct hosts *h = *state;

    sim_test_teardown(&h->a);
    sim_test_teardown(&h->b);
    free(h);
    return 0;
}

static struct hv_replica *create(struct sim_test *t, struct hv_vm *of)
{
    char desc[HV_DESC_MAX];
    struct hv_replica *r;
    struct hv_size size;
    struct err err = {0};
    size_t len;

    assert_int_equal(hv_describe(of, desc, sizeof(desc), &len, &err), 0);
    assert_int_equal(hv_replica_size(t->hv, desc, len, &size, &err), 0);
    if (hv_replica_create(t->hv, desc, len, &r, &err))
        fail_msg("%s", err.text);
    assert_int_equal(size.pages, hv_replica_pages(r));
    assert_int_equal(size.memory, hv_replica_memory(r));
    return r;
}

/* Everything of the stopped VM into the replica. */
static void transfer(struct hv_vm *vm, struct hv_replica *r)
{
    static uint8_t page[HV_PAGE_SIZE], blob[HV_STATE_MAX];
    const void *source = page;
    struct err err;
    size_t len;

    for (uint64_t pfn = 0; pfn < hv_replica_pages(r); pfn++) {
        assert_int_equal(hv_copy(vm, &pfn, 1, page, &err), 0);
        assert_int_equal(hv_replica_write(r, &pfn, &source, 1, &err), 0);
        assert_memory_equal(hv_replica_page(r, pfn), page, HV_PAGE_SIZE);
    }
    assert_int_equal(hv_save_state(vm, blob, sizeof(blob), &len, &err), 0);
    assert_int_equal(hv_replica_set_state(r, blob, len, &err), 0);
}

static void activated_replica_runs_on_alone(void **state)
{
    struct hosts *h = *state;
    struct sim_test *a = h->a, *b = h->b;
    struct hv_info info;
    struct err err = {0};

    sim_test_start(a, "--dirty-rate=5000");
    struct hv_vm *vm = sim_test_attach(a);
    usleep(20000);
    assert_int_equal(hv_stop(vm, 1000, &err), 0);
    struct hv_replica *r = create(b, vm);
    transfer(vm, r);
    assert_int_equal(hv_find(b->hv, "guest", &info, &err), -1);
    if (hv_activate(r, "none", &err))
        fail_msg("%s", err.text);
    assert_int_equal(hv_destroy(vm, &err), 0);
    assert_int_equal(hv_find(b->hv, "guest", &info, &err), 0);
    assert_true(info.running);
    assert_string_equal(info.net, "none");
    usleep(20000);
    assert_true(sim_test_pattern_good(b));
    assert_int_equal(hv_reap(b->hv, &b->uuid, &err), 0);

    vm = sim_test_attach(b); /* and can be protected in its turn */
    assert_int_equal(hv_log_start(vm, &err), 0);
    assert_int_equal(hv_destroy(vm, &err), 0);
}

static void replica_goes_with_its_creator(void **state)
{
    struct hosts *h = *state;
    struct sim_test *a = h->a, *b = h->b;

    sim_test_start(a, NULL);
    struct hv_vm *vm = sim_test_attach(a);
    pid_t creator = fork();
    if (creator == 0) {
        create(b, vm);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(creator, NULL, 0), creator);
    for (int fd; (fd = sim_test_connect(b, SIM_REPLICA_SUFFIX)) >= 0; close(fd))
        usleep(100);
    hv_end(vm);
}

static void reap_removes_a_replica_and_only_that(void **state)
{
    struct hosts *h = *state;
    struct sim_test *a = h->a, *b = h->b;
    struct hv_info info;
    struct err err = {0};
    uint64_t pfn = 1;
    static const uint8_t page[HV_PAGE_SIZE] = {1};
    const void *source = page;

    sim_test_start(a, NULL);
    struct hv_vm *vm = sim_test_attach(a);
    assert_int_equal(hv_reap(b->hv, &b->uuid, &err), 0); /* nothing there */
    struct hv_replica *r = create(b, vm);
    assert_int_equal(hv_reap(b->hv, &b->uuid, &err), 0);
    assert_int_equal(sim_test_connect(b, SIM_REPLICA_SUFFIX), -1);
    assert_int_equal(hv_replica_write(r, &pfn, &source, 1, &err),
                     0); /* its memory is still mapped */
    assert_int_equal(hv_replica_set_state(r, page, sizeof(page), &err), 0);
    assert_int_equal(hv_activate(r, NULL, &err), -1);
    assert_int_equal(errno, ESRCH);
    hv_discard(r);

    assert_int_equal(hv_reap(a->hv, &a->uuid, &err), 0);
    assert_int_equal(hv_find(a->hv, "guest", &info, &err), 0);
    hv_end(vm);
}

static void replica_beside_its_running_vm_is_refused(void **state)
{
    struct hosts *h = *state;
    struct sim_test *a = h->a;
    char desc[HV_DESC_MAX];
    struct hv_replica *r;
    struct err err;
    size_t len;

    sim_test_start(a, NULL);
    struct hv_vm *vm = sim_test_attach(a);
    assert_int_equal(hv_describe(vm, desc, sizeof(desc), &len, &err), 0);
    assert_int_equal(hv_replica_create(a->hv, desc, len, &r, &err), -1);
    assert_int_equal(errno, EEXIST);
    hv_end(vm);
}

static void failed_activation_leaves_a_paused_replica(void **state)
{
    struct hosts *h = *state;
    struct sim_test *a = h->a, *b = h->b;
    struct hv_info info;
    struct err err;

    sim_test_start(a, NULL);
    struct hv_vm *vm = sim_test_attach(a);
    assert_int_equal(hv_stop(vm, 1000, &err), 0);
    struct hv_replica *r = create(b, vm);
    assert_int_equal(hv_activate(r, NULL, &err), -1); /* no state yet */
    assert_int_equal(errno, EINVAL);
    transfer(vm, r);
    assert_int_equal(hv_activate(r, "switch:/nowhere/at/all", &err), -1);
    assert_int_equal(hv_find(b->hv, "guest", &info, &err), -1);
    assert_int_equal(hv_activate(r, NULL, &err), 0);
    assert_int_equal(hv_find(b->hv, "guest", &info, &err), 0);
    hv_end(vm);
    vm = sim_test_attach(b);
    assert_int_equal(hv_destroy(vm, &err), 0);
}

static void holes_stay_holes(void **state)
{
    struct hosts *h = *state;
    struct sim_test *a = h->a, *b = h->b;
    static const uint8_t zero[HV_PAGE_SIZE];
    const void *source = zero;
    uint64_t pfn = 9, far;
    struct err err;

    sim_test_start(a, NULL);
    struct hv_vm *vm = sim_test_attach(a);
    struct hv_replica *r = create(b, vm);
    far = hv_replica_pages(r);
    assert_int_equal(hv_replica_write(r, &pfn, &source, 1, &err), 0);
    assert_memory_equal(hv_replica_page(r, pfn), zero, HV_PAGE_SIZE);
    assert_null(hv_replica_page(r, far));
    assert_int_equal(hv_replica_write(r, &far, &source, 1, &err), -1);
    assert_int_equal(errno, EINVAL);
    hv_discard(r);
    assert_int_equal(sim_test_connect(b, SIM_REPLICA_SUFFIX), -1);
    hv_end(vm);
}

static void hostile_descriptions_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{\"uuid\":\"" SIM_TEST_UUID "\"",
        "{\"name\":\"x\"}",
        "{\"uuid\":\"" SIM_TEST_UUID "\",\"mem-mb\":1e9}",
        "{\"uuid\":\"" SIM_TEST_UUID "\",\"mem-mb\":-1}",
        "{\"uuid\":\"" SIM_TEST_UUID "\",\"dir\":\"/\"}",
        "{\"uuid\":\"" SIM_TEST_UUID "\",\"ask=destroy\":\"x\"}",
        "{\"uuid\":\"" SIM_TEST_UUID "\",\"name\":\"a\\nmem-mb=32\"}",
        "{\"uuid\":\"" SIM_TEST_UUID "\",\"name\":\"a\\u0000b\"}",
        "{\"uuid\":\"" SIM_TEST_UUID "\",\"net\":{}}",
        "{\"uuid\":\"../../x\"}",
    };
    struct hosts *h = *state;
    struct sim_test *b = h->b;
    struct hv_replica *r;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(hv_replica_create(b->hv, bad[i], strlen(bad[i]), &r, &err), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(activated_replica_runs_on_alone),
        TEST(replica_goes_with_its_creator),
        TEST(reap_removes_a_replica_and_only_that),
        TEST(replica_beside_its_running_vm_is_refused),
        TEST(failed_activation_leaves_a_paused_replica),
        TEST(holes_stay_holes),
        TEST(hostile_descriptions_are_refused),
    };

    if (!sim_test_program()) {
        fprintf(stderr, "remus-simvm is not built\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
