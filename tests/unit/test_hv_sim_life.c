/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/sim_process.h"

#include <sys/socket.h>

#include "engine/hv/sim/sim_impl.h"

static void one_logs_the_other_is_refused(void **state)
{
    struct sim_test *t = *state;
    struct err err;

    sim_test_start(t, NULL);
    struct hv_vm *a = sim_test_attach(t), *b = sim_test_attach(t);
    assert_int_equal(hv_log_start(a, &err), 0);
    assert_int_equal(hv_log_start(b, &err), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(hv_stop(a, 1000, &err), 0);
    assert_int_equal(hv_stop(b, 1000, &err), -1);
    assert_int_equal(errno, EBUSY);
    hv_end(a);
    assert_int_equal(hv_log_start(b, &err), 0);
    hv_end(b);
}

static bool running(struct sim_test *t)
{
    struct hv_info info;
    struct err err;

    assert_int_equal(hv_find(t->hv, "guest", &info, &err), 0);
    return info.running;
}

static void lost_connection_resumes_an_end_does_not(void **state)
{
    struct sim_test *t = *state;
    static char payload[SIM_PAYLOAD_MAX];
    int fds[SIM_FDS_MAX];
    struct err err;

    sim_test_start(t, NULL);
    int fd = sim_test_connect(t, SIM_SUFFIX);
    assert_int_equal(sim_test_call(fd, SIM_STOP, payload, fds), 0);
    assert_false(running(t));
    close(fd);
    while (!running(t))
        usleep(100);

    struct hv_vm *vm = sim_test_attach(t);
    assert_int_equal(hv_stop(vm, 1000, &err), 0);
    hv_end(vm);
    assert_false(running(t));
    vm = sim_test_attach(t);
    assert_true(hv_stopped(vm));
    assert_int_equal(hv_resume(vm, &err), 0);
    hv_end(vm); /* answered after the resume */
    assert_true(running(t));
}

static void vm_that_does_not_stop_in_time_runs_on(void **state)
{
    struct sim_test *t = *state;
    struct err err;
    int status;

    sim_test_start(t, NULL);
    struct hv_vm *vm = sim_test_attach(t);
    kill(t->vm, SIGSTOP);
    assert_int_equal(waitpid(t->vm, &status, WUNTRACED), t->vm);
    assert_int_equal(hv_stop(vm, 10, &err), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_false(hv_stopped(vm));
    kill(t->vm, SIGCONT);
    assert_int_equal(hv_stop(vm, 10000, &err), 0);
    assert_int_equal(hv_resume(vm, &err), 0);
    hv_end(vm);
    assert_true(running(t));
}

static void wait_gone(struct hv_vm *vm)
{
    struct pollfd p = {.fd = hv_watch_fd(vm), .events = POLLIN};

    assert_int_equal(poll(&p, 1, -1), 1);
}

static void crash_and_shutdown_are_told_apart(void **state)
{
    struct sim_test *t = *state;
    struct err err;

    sim_test_start(t, NULL);
    struct hv_vm *vm = sim_test_attach(t);
    assert_int_equal(hv_vm_gone(vm), HV_ALIVE);
    kill(t->vm, SIGKILL);
    sim_test_wait(t);
    wait_gone(vm);
    assert_int_equal(hv_vm_gone(vm), HV_CRASHED);
    assert_int_equal(hv_stop(vm, 1000, &err), -1);
    assert_int_equal(errno, ESRCH);
    hv_end(vm);

    sim_test_start(t, NULL); /* over the stale socket file */
    vm = sim_test_attach(t);
    kill(t->vm, SIGTERM);
    wait_gone(vm);
    assert_int_equal(hv_vm_gone(vm), HV_SHUTDOWN);
    assert_int_equal(sim_test_wait(t), 0);
    hv_end(vm);
}

/* A VM that powers off leaves requests unread: its connection is reset, behind its last word. */
static void shutdown_is_heard_before_a_reset(void **state)
{
    static struct sim_conn c;
    const struct sim_msg note = {.op = SIM_NOTE_SHUTDOWN};
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    sim_conn_init(&c, pair[0]);
    assert_int_equal(sim_send(pair[1], &note, NULL, NULL, 0), 0);
    assert_int_equal(sim_conn_post(&c, SIM_RESUME), 0);
    close(pair[1]);
    sim_conn_drain(&c);
    assert_true(c.eof);
    assert_true(c.shutdown);
    sim_conn_close(&c);
}

static void destroyed_vm_is_gone_even_if_it_hangs(void **state)
{
    struct sim_test *t = *state;
    struct hv_info info;
    struct err err;
    int status;

    sim_test_start(t, NULL);
    struct hv_vm *vm = sim_test_attach(t);
    assert_int_equal(hv_destroy(vm, &err), 0);
    sim_test_wait(t);
    assert_int_equal(hv_find(t->hv, "guest", &info, &err), -1);

    sim_test_start(t, NULL);
    vm = sim_test_attach(t);
    kill(t->vm, SIGSTOP);
    assert_int_equal(waitpid(t->vm, &status, WUNTRACED), t->vm);
    assert_int_equal(hv_destroy(vm, &err), 0);
    sim_test_wait(t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, sim_test_setup, sim_test_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_logs_the_other_is_refused),
        TEST(lost_connection_resumes_an_end_does_not),
        TEST(vm_that_does_not_stop_in_time_runs_on),
        TEST(crash_and_shutdown_are_told_apart),
        TEST(destroyed_vm_is_gone_even_if_it_hangs),
        cmocka_unit_test(shutdown_is_heard_before_a_reset),
    };

    if (!sim_test_program()) {
        fprintf(stderr, "remus-simvm is not built\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
