/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench.h"
#include "bench/bench_proc.h"

#define LOOK_MS 400

/** Ticks that the processors spent, in all and idle. */
struct ticks {
    unsigned long long all, idle;
};

static int read_ticks(struct ticks *ret, struct err *err)
{
    unsigned long long v[8] = {0}; /* user nice system idle iowait irq softirq steal */
    FILE *f = fopen("/proc/stat", "re");

    if (!f)
        return err_errno(err, "", "/proc/stat");
    int n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3],
                   &v[4], &v[5], &v[6], &v[7]);
    fclose(f);
    if (n != 8)
        return err_set(err, "", "/proc/stat is not as expected");
    *ret = (struct ticks){0, v[3] + v[4]};
    for (int i = 0; i < 8; i++)
        ret->all += v[i];
    return 0;
}

int bench_noise(struct bench *b, const char *name, struct err *err)
{
    struct ticks from, to;

    if (read_ticks(&from, err) < 0)
        return -1;
    if (proc_sleep_ms(LOOK_MS) < 0)
        return err_errno(err, "", "%s", name);
    if (read_ticks(&to, err) < 0)
        return -1;
    double all = (double)(to.all - from.all), idle = (double)(to.idle - from.idle);
    double busy = all > 0 ? 100 * (all - idle) / all : 0;
    printf("(other work on this machine: %.0f %% of its processors)\n", busy);
    return bench_emit(
        b, json_pack("{s:s, s:s, s:f}", "bench", "noise", "before", name, "busy_percent", busy),
        err);
}
