/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/compiler.h"
#include "engine/base/fault.h"
#include "engine/base/mono.h"

static int arm(const char *text)
{
    setenv("REMUS_FAULT", text, 1);
    return fault_init();
}

static void unarmed_never_fires(void **state)
{
    (void)state;
    unsetenv("REMUS_FAULT");
    assert_int_equal(fault_init(), 0);
    for (int i = 0; i < 1000; i++)
        assert_false(FAULT(state_write));
}

static void fail_fires_on_its_hit_only(void **state)
{
    (void)state;
    assert_int_equal(arm("state_write:3:fail,primary_link_write:1:fail"), 0);
    errno = EXDEV;
    for (int i = 1; i <= 5; i++)
        assert_int_equal(FAULT(state_write), i == 3);
    assert_int_equal(errno, EXDEV);
    assert_true(FAULT(primary_link_write));
    assert_false(FAULT(state_rename));
}

static void one_point_may_be_armed_twice(void **state)
{
    (void)state;
    assert_int_equal(arm("state_write:1:fail,state_write:2:fail"), 0);
    assert_true(FAULT(state_write));
    assert_true(FAULT(state_write));
    assert_false(FAULT(state_write));
}

static void counts_from_a_point_on(void **state)
{
    (void)state;
    setenv("REMUS_FAULT_FROM", "primary_acked", 1);
    assert_int_equal(arm("state_write:2:fail,primary_acked:1:fail"), 0);
    for (int i = 0; i < 3; i++)
        assert_false(FAULT(state_write));
    assert_true(FAULT(primary_acked));
    assert_false(FAULT(state_write));
    assert_true(FAULT(state_write));
    unsetenv("REMUS_FAULT_FROM");
}

/* As a child does that is started again after it was struck. */
static void fires_once_for_all_who_share_a_file(void **state)
{
    char dir[] = "/tmp/remus-fault.XXXXXX", file[64];
    (void)state;

    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof(file), "%s/once", dir);
    setenv("REMUS_FAULT_ONCE", file, 1);
    assert_int_equal(arm("state_write:2:fail"), 0);
    assert_false(FAULT(state_write));
    assert_int_equal(access(file, F_OK), -1);
    assert_true(FAULT(state_write));
    assert_int_equal(access(file, F_OK), 0);
    assert_int_equal(arm("state_write:2:fail"), 0);
    for (int i = 0; i < 4; i++)
        assert_false(FAULT(state_write));
    unsetenv("REMUS_FAULT_ONCE");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(dir), 0);
}

static int status_of(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void killed_by_default(void **state)
{
    (void)state;
    assert_int_equal(arm("primary_stopped:2"), 0);
    pid_t pid = fork();
    if (pid == 0) {
        FAULT(primary_stopped);
        FAULT(primary_stopped);
        _exit(0);
    }
    int status = status_of(pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void kills_another_and_goes_on(void **state)
{
    char text[64];
    (void)state;

    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    snprintf(text, sizeof(text), "backup_sealed:1:kill-pid=%d", (int)pid);
    assert_int_equal(arm(text), 0);
    assert_false(FAULT(backup_sealed));
    int status = status_of(pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void sleeps_at_least_as_long_as_asked(void **state)
{
    (void)state;
    assert_int_equal(arm("backup_sealed:1:sleep-ms=20"), 0);
    struct mono before = mono_now();
    assert_false(FAULT(backup_sealed));
    assert_true(mono_sub(mono_now(), before) >= 20 * NS_PER_MS);
}

static void refuses_what_it_does_not_know(void **state)
{
    static const char *const bad[] = {
        "no_such_point",
        "state_write:0",
        "state_write:x",
        "state_write:-1",
        "state_write:",
        "state_write:1:",
        "state_write:1:explode",
        "state_write:1:fail=3",
        "state_write:1:kill=3",
        "state_write:1:sleep-ms",
        "state_write:1:sleep-ms=",
        "state_write:1:kill-pid=0",
        "state_write:1:kill-pid=-1",
        "state_write:1:kill-pid=1x",
        "state_write:1:fail:more",
        "state_write:1:fail,,state_rename",
        "STATE_WRITE",
    };
    (void)state;

    int saved = dup(STDERR_FILENO);
    assert_non_null(freopen("/dev/null", "w", stderr));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(arm(bad[i]), -1);
    setenv("REMUS_FAULT_FROM", "no_such_point", 1);
    assert_int_equal(arm("state_write:1"), -1);
    unsetenv("REMUS_FAULT_FROM");
    dup2(saved, STDERR_FILENO);
    close(saved);
}

/* Each listed name can be armed: what the table-driven fault tests rely on. */
static void every_listed_name_arms(void **state)
{
    char *text;
    size_t size, names = 0;
    (void)state;

    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    fault_list(to);
    fclose(to);
    for (char *save, *name = strtok_r(text, "\n", &save); name;
         name = strtok_r(NULL, "\n", &save)) {
        char rule[128];
        snprintf(rule, sizeof(rule), "%s:1:fail", name);
        assert_int_equal(arm(rule), 0);
        assert_true(fault_hit((enum fault_point)names));
        names++;
    }
    assert_int_equal(names, FAULT_POINT_COUNT);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unarmed_never_fires),
        cmocka_unit_test(fail_fires_on_its_hit_only),
        cmocka_unit_test(one_point_may_be_armed_twice),
        cmocka_unit_test(counts_from_a_point_on),
        cmocka_unit_test(fires_once_for_all_who_share_a_file),
        cmocka_unit_test(killed_by_default),
        cmocka_unit_test(kills_another_and_goes_on),
        cmocka_unit_test(sleeps_at_least_as_long_as_asked),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(every_listed_name_arms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
