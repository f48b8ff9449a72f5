/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/sim_process.h"

#include <sys/mman.h>

#include "engine/base/mono.h"
#include "engine/net/port.h"

#define PAGES 4096

static void vm_is_found_by_uuid_and_name(void **state)
{
    struct sim_test *t = *state;
    struct hv_info info;
    struct err err;

    assert_int_equal(hv_find(t->hv, "guest", &info, &err), -1);
    assert_int_equal(errno, ENOENT);
    sim_test_start(t, NULL);
    assert_int_equal(hv_find(t->hv, SIM_TEST_UUID, &info, &err), 0);
    assert_int_equal(hv_find(t->hv, "guest", &info, &err), 0);
    assert_true(uuid_equal(&info.uuid, &t->uuid));
    assert_int_equal(info.pages, PAGES);
    assert_true(info.running);
    assert_int_equal(hv_may_protect(t->hv, &info.uuid, &err), 0);
    assert_int_equal(hv_find(t->hv, "gues", &info, &err), -1);
}

/* Fetches the dirty set and copies its pages into `image`; how many. */
static size_t copy_dirty(struct hv_vm *vm, struct bitmap *dirty, uint8_t *image)
{
    uint64_t pfn[64];
    static uint8_t pages[64 * HV_PAGE_SIZE];
    size_t from = 0, n, total = 0;
    struct err err;

    bitmap_zero(dirty);
    assert_int_equal(hv_fetch_dirty(vm, dirty, &err), 0);
    while ((n = bitmap_list(dirty, &from, pfn, 64))) {
        assert_int_equal(hv_copy(vm, pfn, n, pages, &err), 0);
        for (size_t i = 0; i < n; i++)
            memcpy(image + pfn[i] * HV_PAGE_SIZE, pages + i * HV_PAGE_SIZE, HV_PAGE_SIZE);
        total += n;
    }
    return total;
}

static uint8_t *map_memory(struct sim_test *t, int *ret_fd)
{
    static char payload[SIM_PAYLOAD_MAX];
    int fds[SIM_FDS_MAX];

    *ret_fd = sim_test_connect(t, SIM_SUFFIX);
    assert_int_equal(sim_test_call(*ret_fd, SIM_ATTACH, payload, fds), 0);
    void *map = mmap(NULL, PAGES * HV_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
    assert_true(map != MAP_FAILED);
    close(fds[0]);
    close(fds[1]);
    return map;
}

static void captured_image_equals_memory_at_every_epoch(void **state)
{
    struct sim_test *t = *state;
    uint8_t *image = calloc(PAGES, HV_PAGE_SIZE), *memory, blob[4096];
    struct bitmap dirty;
    struct err err;
    size_t len;
    int fd;

    sim_test_start(t, "--dirty-rate=50000");
    struct hv_vm *vm = sim_test_attach(t);
    memory = map_memory(t, &fd);
    assert_int_equal(bitmap_init(&dirty, PAGES), 0);
    assert_int_equal(hv_log_start(vm, &err), 0);
    assert_int_equal(copy_dirty(vm, &dirty, image), PAGES);
    for (int epoch = 0; epoch < 20; epoch++) {
        usleep(2000);
        copy_dirty(vm, &dirty, image); /* live: pages may be torn, and are then dirty again */
        assert_int_equal(hv_stop(vm, 1000, &err), 0);
        copy_dirty(vm, &dirty, image);
        assert_int_equal(hv_save_state(vm, blob, sizeof(blob), &len, &err), 0);
        assert_memory_equal(image, memory, PAGES * HV_PAGE_SIZE);
        assert_int_equal(hv_resume(vm, &err), 0);
    }
    assert_true(sim_test_pattern_good(t));
    munmap(memory, PAGES * HV_PAGE_SIZE);
    close(fd);
    hv_end(vm);
    bitmap_free(&dirty);
    free(image);
}

static void pattern_check_finds_planted_damage(void **state)
{
    struct sim_test *t = *state;
    int fd;

    sim_test_start(t, NULL);
    struct hv_vm *vm = sim_test_attach(t);
    uint8_t *memory = map_memory(t, &fd);
    struct err err;
    assert_int_equal(hv_stop(vm, 1000, &err), 0);
    assert_true(sim_test_pattern_good(t));
    memory[20 * HV_PAGE_SIZE + HV_PAGE_SIZE - 1] ^= 1;
    assert_false(sim_test_pattern_good(t));
    memory[20 * HV_PAGE_SIZE + HV_PAGE_SIZE - 1] ^= 1;
    assert_true(sim_test_pattern_good(t));
    munmap(memory, PAGES * HV_PAGE_SIZE);
    close(fd);
    hv_end(vm);
}

static void breaches_are_errors(void **state)
{
    struct sim_test *t = *state;
    struct bitmap dirty;
    uint64_t far = PAGES;
    static uint8_t page[HV_PAGE_SIZE];
    struct err err;
    size_t len;

    sim_test_start(t, NULL);
    struct hv_vm *vm = sim_test_attach(t);
    assert_int_equal(bitmap_init(&dirty, PAGES - 1), 0);
    assert_int_equal(hv_fetch_dirty(vm, &dirty, &err), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(hv_resume(vm, NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(hv_save_state(vm, page, sizeof(page), &len, &err), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(hv_copy(vm, &far, 1, page, &err), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(hv_log_start(vm, &err), 0);
    assert_int_equal(hv_fetch_dirty(vm, &dirty, &err), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(hv_stop(vm, 1000, &err), 0);
    assert_int_equal(hv_stop(vm, 1000, &err), -1);
    assert_int_equal(hv_save_state(vm, page, 1, &len, &err), -1);
    assert_int_equal(errno, ENOBUFS);
    assert_true(len > 1);
    bitmap_free(&dirty);
    hv_end(vm);
}

/* A frame of the reflected ethertype to the guest and back. */
static bool reflected(struct port *port)
{
    static uint8_t in[PORT_FRAME_MAX];
    uint8_t frame[80] = {0};
    struct pollfd p = {.fd = port_fd(port), .events = POLLIN};

    memset(frame + PORT_VNET_LEN, 0xff, 6);
    memcpy(frame + PORT_VNET_LEN + 6, "\x02\0\0\0\0\x01\x88\xb5hello", 13);
    if (port_write(port, frame, sizeof(frame)) || poll(&p, 1, -1) != 1)
        return false;
    return port_read(port, in, sizeof(in)) == sizeof(frame) &&
           memcmp(in + PORT_VNET_LEN + 14, "hello", 5) == 0;
}

static void taken_network_carries_the_guests_frames(void **state)
{
    struct sim_test *t = *state;
    struct err err;
    int fd;

    sim_test_start(t, NULL);
    struct hv_vm *vm = sim_test_attach(t);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hv_net_take(vm, &fd, &err), 0);
        struct port *port = port_from_fd(fd, "guest");
        assert_non_null(port);
        assert_true(reflected(port));
        port_close(port);
    }
    assert_int_equal(hv_net_give(vm, &err), 0);
    hv_end(vm);
}

static void stop_and_resume_are_quick(void **state)
{
    struct sim_test *t = *state;
    int64_t best = INT64_MAX, sum = 0;
    struct err err;
    enum { ROUNDS = 200 };

    sim_test_start(t, "--dirty-rate=100000");
    struct hv_vm *vm = sim_test_attach(t);
    for (int i = 0; i < ROUNDS; i++) {
        usleep(500);
        struct mono start = mono_now();
        assert_int_equal(hv_stop(vm, 1000, &err), 0);
        assert_int_equal(hv_resume(vm, &err), 0);
        int64_t span = mono_sub(mono_now(), start);
        best = span < best ? span : best;
        sum += span;
    }
    print_message("stop and resume: mean %lld us, best %lld us\n",
                  (long long)(sum / ROUNDS / NS_PER_US), (long long)(best / NS_PER_US));
    hv_end(vm);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, sim_test_setup, sim_test_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vm_is_found_by_uuid_and_name),
        TEST(captured_image_equals_memory_at_every_epoch),
        TEST(pattern_check_finds_planted_damage),
        TEST(breaches_are_errors),
        TEST(taken_network_carries_the_guests_frames),
        TEST(stop_and_resume_are_quick),
    };

    if (!sim_test_program()) {
        fprintf(stderr, "remus-simvm is not built\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
