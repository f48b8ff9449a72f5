/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench_xen.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads tests/xen of the same tree. */
#define PROGRAM "bench/xen/main.py"

/** The directory of this program: its neighbours are what is measured. */
static int own_directory(char *ret, size_t cap, struct err *err)
{
    ssize_t n = readlink("/proc/self/exe", ret, cap - 1);

    if (n < 0)
        return err_errno(err, "", "/proc/self/exe");
    ret[n] = 0;
    *strrchr(ret, '/') = 0;
    return 0;
}

static int find_program(const char *directory, char *ret, size_t cap, struct err *err)
{
    const char *source = getenv("REMUS_SOURCE");

    snprintf(ret, cap, "%s%s/%s", source ? source : directory, source ? "" : "/..", PROGRAM);
    if (access(ret, R_OK) == 0)
        return 0;
    return err_errno(err, "the laboratory is in the source tree: name it in REMUS_SOURCE", "%s",
                     ret);
}

void bench_xen(char **argv, struct err *err)
{
    char directory[PATH_MAX], path[PATH_MAX + 32];

    if (own_directory(directory, sizeof(directory), err) < 0 ||
        find_program(directory, path, sizeof(path), err) < 0)
        return;
    if (setenv("REMUS_BUILD", directory, 0) < 0) {
        (void)err_errno(err, "", "REMUS_BUILD");
        return;
    }
    argv[-1] = "python3";
    argv[0] = path;
    execvp("python3", argv - 1);
    (void)err_errno(err, "install python3", "python3");
}
