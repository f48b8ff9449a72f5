/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

int bench_emit(struct bench *b, json_t *line, struct err *err)
{
    int rc = -1;

    errno = ENOMEM;
    if (line && json_object_set_new(line, "quick", json_boolean(b->quick)) == 0 &&
        (!b->out || (json_dumpf(line, b->out, JSON_COMPACT | JSON_REAL_PRECISION(6)) == 0 &&
                     fputc('\n', b->out) != EOF && fflush(b->out) == 0)))
        rc = 0;
    if (rc < 0)
        (void)err_errno(err, "", "cannot write a result");
    json_decref(line);
    return rc;
}

/** What follows "key : " in the first line of /proc/cpuinfo that begins with `key`. */
static void cpu_model(char *ret, size_t cap)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];

    snprintf(ret, cap, "unknown");
    while (f && fgets(line, sizeof(line), f)) {
        char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value)
            continue;
        snprintf(ret, cap, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
        break;
    }
    if (f)
        fclose(f);
}

int bench_host(struct bench *b, struct err *err)
{
    char model[128], when[32];
    double load[1] = {0};
    struct utsname u;
    time_t now = time(NULL);
    struct tm tm;

    cpu_model(model, sizeof(model));
    if (uname(&u) < 0)
        return err_errno(err, "", "uname");
    if (getloadavg(load, 1) < 1)
        load[0] = -1;
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (1 << 30);
    printf("%ld x %s, %.1f GiB, %s %s, load %.2f, %s\n", cores, model, memory, u.sysname, u.release,
           load[0], when);
    return bench_emit(b,
                      json_pack("{s:s, s:s, s:s, s:i, s:s, s:f, s:s, s:f}", "bench", "host",
                                "version", REMUS_VERSION, "time", when, "cores", (int)cores, "cpu",
                                model, "memory_gib", memory, "kernel", u.release, "load_before",
                                load[0]),
                      err);
}
