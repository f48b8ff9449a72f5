/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long the guest stands still, as a program in it sees it: it reads the TSC in a loop on the
 * first CPU, behind everything else that wants to run, and remembers jumps. The kernel's own clocks
 * stand still while it is suspended, the TSC does not.
 * Not on another CPU: where instructions are counted those of all CPUs advance one clock, so that a
 * loop beside whoever stops the guest doubles the time that it takes.
 * TCP port 10: the line "THRESHOLD_US" is answered by a line about the time since the line before:
 * how long it was by the TSC, then each jump above the threshold of then, oldest first, all in
 * microseconds. From then on the new threshold counts; 0: it sleeps, as it does at first.
 */
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <x86intrin.h>

#include "tests/xen/guest/report.h"

enum { PORT = 10, MOST = 100000, LOOK_US = 2000, READ_LIMIT_MS = 1000, BETWEEN_READS = 64 };

struct gaps {
    double ticks_per_us;
    uint64_t threshold; /* ticks; 0: not watching */
    uint64_t since, jump[MOST];
    unsigned count;
};

/** The kernel knows the rate from the hypervisor. */
static double ticks_per_us(void)
{
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[256];
    double mhz = 0;

    while (f && mhz == 0 && fgets(line, sizeof(line), f))
        sscanf(line, "cpu MHz : %lf", &mhz);
    if (f)
        fclose(f);
    return mhz;
}

static void watch(struct gaps *g, uint64_t us)
{
    uint64_t start = __rdtsc(), last = start, now;
    uint64_t span = (uint64_t)((double)us * g->ticks_per_us);

    do {
        /* Reading the TSC is slow where it is emulated: not all the time goes into that. */
        for (unsigned i = 0; i < BETWEEN_READS; i++)
            __asm__ volatile("");
        now = __rdtsc();
        if (now - last > g->threshold && g->count < MOST)
            g->jump[g->count++] = now - last;
        last = now;
    } while (now - start < span);
}

static void tell(struct gaps *g, int sock)
{
    FILE *out = fdopen(dup(sock), "w");

    if (!out)
        return;
    fprintf(out, "%.0f", (double)(__rdtsc() - g->since) / g->ticks_per_us);
    for (unsigned i = 0; i < g->count; i++)
        fprintf(out, " %.0f", (double)g->jump[i] / g->ticks_per_us);
    fprintf(out, "\n");
    fclose(out);
}

static void serve(struct gaps *g, int sock)
{
    struct pollfd asked = {.fd = sock, .events = POLLIN};
    unsigned long threshold_us;
    char line[64];
    ssize_t n = poll(&asked, 1, READ_LIMIT_MS) == 1 ? read(sock, line, sizeof(line) - 1) : 0;

    line[n > 0 ? n : 0] = 0;
    if (sscanf(line, "%lu", &threshold_us) == 1) {
        tell(g, sock);
        g->threshold = (uint64_t)((double)threshold_us * g->ticks_per_us);
        g->count = 0;
        g->since = __rdtsc();
    }
    close(sock);
}

static int behind_all_on_first_cpu(void)
{
    struct sched_param none = {0};
    cpu_set_t first;

    CPU_ZERO(&first);
    CPU_SET(0, &first);
    return sched_setaffinity(0, sizeof(first), &first) ? -1
                                                       : sched_setscheduler(0, SCHED_IDLE, &none);
}

int main(void)
{
    static struct gaps g;
    struct pollfd asked = {.fd = listen_on(PORT), .events = POLLIN};

    signal(SIGPIPE, SIG_IGN);
    g.ticks_per_us = ticks_per_us();
    if (g.ticks_per_us == 0 || behind_all_on_first_cpu()) {
        fprintf(stderr, "gap: the rate of the TSC is not known, or there is no idle priority\n");
        return 1;
    }
    memset(g.jump, 1, sizeof(g.jump)); /* touched now: a page fault is a jump of its own */
    g.since = __rdtsc();
    for (;;) {
        if (g.threshold)
            watch(&g, LOOK_US);
        if (poll(&asked, 1, g.threshold ? 0 : -1) > 0) {
            int sock = accept(asked.fd, NULL, NULL);

            if (sock >= 0)
                serve(&g, sock);
        }
    }
}
