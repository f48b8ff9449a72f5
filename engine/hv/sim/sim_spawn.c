/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/hv/sim/sim_impl.h"

#define PROGRAM    "remus-simvm"
#define CONTROL_FD 3
#define OPTION_MAX 32

/* REMUS_SIMVM, else beside this program, else by PATH. */
static void find_program(char path[PATH_MAX])
{
    const char *named = getenv("REMUS_SIMVM");
    ssize_t n;

    if (named && *named) {
        snprintf(path, PATH_MAX, "%s", named);
        return;
    }
    n = readlink("/proc/self/exe", path, PATH_MAX - sizeof(PROGRAM) - 1);
    while (n > 0 && path[n - 1] != '/')
        n--;
    if (n > 0) {
        strcpy(path + n, PROGRAM);
        if (access(path, X_OK) == 0)
            return;
    }
    strcpy(path, PROGRAM);
}

/* In the new process; nothing here allocates. */
static _Noreturn void run(const char *path, char *const *argv, int control)
{
    struct sim_msg note = {.op = SIM_NOTE_READY};

    setsid();
    if (dup2(control, CONTROL_FD) == CONTROL_FD && close_range(CONTROL_FD + 1, ~0u, 0) == 0)
        execvp(path, argv);
    note.rc = errno;
    note.len = strlen(PROGRAM);
    if (sim_send(CONTROL_FD, &note, PROGRAM, NULL, 0))
        _exit(126);
    _exit(127);
}

/* A grandchild, so that nobody has to wait for it and it may live on. */
static int fork_twice(const char *path, char *const *argv, int control)
{
    pid_t pid = fork();
    int status;

    if (pid < 0)
        return -1;
    if (pid == 0) {
        pid = fork();
        if (pid == 0)
            run(path, argv, control);
        _exit(pid < 0);
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
    }
    if (status) {
        errno = EAGAIN;
        return -1;
    }
    return 0;
}

int sim_spawn_replica(const struct sim_hv *hv, char *const *options, struct err *err)
{
    char path[PATH_MAX], real[PATH_MAX], link[64], dir[PATH_MAX + 8];
    char program[] = PROGRAM, replica[] = "--replica", control[] = "--control=3";
    char *argv[OPTION_MAX + 5] = {program, replica, control, dir};
    int pair[2];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", hv->dir_fd);
    ssize_t n = readlink(link, real, sizeof(real) - 1);
    if (n < 0)
        return err_errno(err, "", "directory of the VMs' sockets");
    snprintf(dir, sizeof(dir), "--dir=%.*s", (int)n, real);
    for (size_t i = 0; i < OPTION_MAX && options[i]; i++)
        argv[4 + i] = options[i];
    find_program(path);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
        return err_errno(err, "", "control connection");
    int rc = fork_twice(path, argv, pair[1]), saved = errno;
    close(pair[1]);
    if (rc == 0)
        return pair[0];
    close(pair[0]);
    errno = saved;
    return err_errno(err, "", "cannot start %.100s", path);
}
