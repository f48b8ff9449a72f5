/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TEST_SIM_PROCESS_H
#define REMUS_TEST_SIM_PROCESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/hv/hv.h"
#include "engine/hv/sim/sim_proto.h"

/**
 * A directory of its own with remus-simvm processes in it. Everything here fails the running test
 * when it does not work.
 */
#define SIM_TEST_UUID "00112233-4455-6677-8899-aabbccddeeff"

struct sim_test {
    char dir[64];
    struct uuid uuid;
    struct hv *hv;
    pid_t vm; /* 0: none */
};

/** Sets REMUS_SIMVM to the program beside the tests' directory; false when it was not built. */
static inline bool sim_test_program(void)
{
    static char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);

    if (getenv("REMUS_SIMVM"))
        return true;
    for (int up = 0; up < 2; up++) {
        while (n > 0 && path[--n] != '/')
            continue;
    }
    strcpy(path + n, "/remus-simvm");
    return setenv("REMUS_SIMVM", path, 1) == 0 && access(path, X_OK) == 0;
}

/** cmocka fixture: *state is a struct sim_test. */
static inline int sim_test_setup(void **state)
{
    struct sim_test *t = calloc(1, sizeof(*t));
    struct err err = {0};

    strcpy(t->dir, "/tmp/remus-test-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    assert_int_equal(uuid_parse(SIM_TEST_UUID, &t->uuid), 0);
    if (hv_open("sim", t->dir, &t->hv, &err))
        fail_msg("%s", err.text);
    *state = t;
    return 0;
}

/** Ends the VM if there is one and removes the directory. */
static inline int sim_test_teardown(void **state)
{
    struct sim_test *t = *state;
    DIR *dir = opendir(t->dir);
    struct dirent *entry;

    if (t->vm) {
        kill(t->vm, SIGKILL);
        waitpid(t->vm, NULL, 0);
    }
    while ((entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(t->dir);
    hv_close(t->hv);
    free(t);
    return 0;
}

/** Starts the VM SIM_TEST_UUID, called "guest", with one more option (NULL: none). */
static inline void sim_test_start(struct sim_test *t, const char *option)
{
    char dir[80], line[64] = "";
    int out[2];

    snprintf(dir, sizeof(dir), "--dir=%s", t->dir);
    assert_int_equal(pipe(out), 0);
    t->vm = fork();
    if (t->vm == 0) {
        dup2(out[1], 1);
        close(out[0]);
        close(out[1]);
        execl(getenv("REMUS_SIMVM"), "remus-simvm", dir, "--uuid=" SIM_TEST_UUID, "--name=guest",
              "--mem-mb=16", "--pattern-mb=2", "--pattern-rate=20000", option, NULL);
        _exit(127);
    }
    close(out[1]);
    assert_true(read(out[0], line, sizeof(line) - 1) > 0);
    close(out[0]);
    assert_string_equal(line, "ready " SIM_TEST_UUID "\n");
}

/** Waits for the VM started by sim_test_start to exit; its wait status. */
static inline int sim_test_wait(struct sim_test *t)
{
    int status;

    assert_int_equal(waitpid(t->vm, &status, 0), t->vm);
    t->vm = 0;
    return status;
}

/** A control connection to the VM or (by suffix) replica; -1 when there is none. */
static inline int sim_test_connect(struct sim_test *t, const char *suffix)
{
    char file[64];
    int dir = open(t->dir, O_PATH | O_DIRECTORY);

    sim_socket_name(file, sizeof(file), &t->uuid, suffix);
    int fd = sim_connect(dir, file);
    close(dir);
    return fd;
}

/** One request on `fd`; reply's rc, payload and descriptors. */
static inline int sim_test_call(int fd, enum sim_op op, char payload[SIM_PAYLOAD_MAX],
                                int fds[SIM_FDS_MAX])
{
    struct sim_msg msg = {.id = 1, .op = op};
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t nfds;

    assert_int_equal(sim_send(fd, &msg, NULL, NULL, 0), 0);
    assert_int_equal(poll(&p, 1, -1), 1);
    assert_int_equal(sim_recv(fd, &msg, payload, fds, &nfds), 1);
    if (msg.len < SIM_PAYLOAD_MAX)
        payload[msg.len] = '\0';
    return msg.rc;
}

/** The VM says its pattern is whole. */
static inline bool sim_test_pattern_good(struct sim_test *t)
{
    static char payload[SIM_PAYLOAD_MAX];
    int fds[SIM_FDS_MAX], fd = sim_test_connect(t, SIM_SUFFIX);

    assert_true(fd >= 0);
    assert_int_equal(sim_test_call(fd, SIM_CHECK, payload, fds), 0);
    close(fd);
    return strstr(payload, "\"ok\":true") != NULL;
}

/** Attaches to the VM that sim_test_start started. */
static inline struct hv_vm *sim_test_attach(struct sim_test *t)
{
    struct hv_vm *vm;
    struct err err = {0};

    if (hv_attach(t->hv, &t->uuid, HV_SUSPEND_AUTO, &vm, &err))
        fail_msg("%s", err.text);
    return vm;
}

#endif
