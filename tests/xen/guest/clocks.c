/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clocks [THREADS]: threads that read the clocks, each compared with what any of them read before,
 * and threads that sleep and wait for a periodic timer.
 * TCP port 13: reads=N backward=N (of CLOCK_MONOTONIC, _BOOTTIME, _REALTIME, together)
 *   sleeps=N overdue_ms=N (the sleeper that has been asleep longest, of 20 ms)
 *   ticks=N missing=N (expirations of a 10 ms timer, and how many the clock says there should be
 * more) monotonic_ms=N boottime_ms=N realtime_ms=N
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/timerfd.h>

#include "tests/xen/guest/report.h"

enum {
    PORT = 13,
    MOST = 64,
    SLEEP_NS = 20000000,
    TICK_NS = 10000000,
    BATCH = 50,
    PAUSE_US = 10000
};

static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME};
static atomic_long last[3], asleep_since[MOST];
static atomic_ulong reads, backward, sleeps, ticks;
static int64_t ticks_begun;
static unsigned sleepers;

/* What another thread has read before this one began to read is not later. */
static void read_clock(unsigned i)
{
    long before = atomic_load(&last[i]);
    long now = clock_ns(clocks[i]);

    atomic_fetch_add(&reads, 1);
    if (now < before)
        atomic_fetch_add(&backward, 1);
    while (now > before && !atomic_compare_exchange_weak(&last[i], &before, now))
        ;
}

static void *read_clocks(void *unused)
{
    (void)unused;
    for (;;) {
        for (unsigned n = 0; n < BATCH; n++)
            read_clock(n % 3);
        usleep(PAUSE_US); /* reading takes long where the TSC is emulated */
    }
    return NULL;
}

static void *sleep_often(void *number)
{
    atomic_long *since = &asleep_since[(uintptr_t)number];

    for (;;) {
        struct timespec t = {.tv_nsec = SLEEP_NS};

        atomic_store(since, clock_ns(CLOCK_MONOTONIC));
        nanosleep(&t, NULL);
        atomic_fetch_add(&sleeps, 1);
    }
    return NULL;
}

static void *count_ticks(void *unused)
{
    struct itimerspec every = {.it_interval.tv_nsec = TICK_NS, .it_value.tv_nsec = TICK_NS};
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    uint64_t expired;

    (void)unused;
    ticks_begun = clock_ns(CLOCK_MONOTONIC);
    timerfd_settime(fd, 0, &every, NULL);
    while (read(fd, &expired, sizeof(expired)) == sizeof(expired))
        atomic_fetch_add(&ticks, expired);
    return NULL;
}

static long overdue_ns(int64_t now)
{
    long most = 0;

    for (unsigned i = 0; i < sleepers; i++) {
        long late = now - atomic_load(&asleep_since[i]) - SLEEP_NS;
        if (late > most)
            most = late;
    }
    return most;
}

static void report(FILE *out, void *unused)
{
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    unsigned long seen = atomic_load(&ticks);

    (void)unused;
    fprintf(out,
            "reads=%lu backward=%lu sleeps=%lu overdue_ms=%ld ticks=%lu missing=%ld "
            "monotonic_ms=%ld boottime_ms=%ld realtime_ms=%ld\n",
            atomic_load(&reads), atomic_load(&backward), atomic_load(&sleeps),
            overdue_ns(now) / 1000000, seen, (long)((now - ticks_begun) / TICK_NS) - (long)seen,
            now / 1000000, clock_ns(CLOCK_BOOTTIME) / 1000000, clock_ns(CLOCK_REALTIME) / 1000000);
}

static int start(void *(*f)(void *), uintptr_t arg)
{
    pthread_t thread;

    return pthread_create(&thread, NULL, f, (void *)arg);
}

int main(int argc, char **argv)
{
    unsigned threads = argc > 1 ? (unsigned)atoi(argv[1]) : 2;

    sleepers = threads < MOST ? threads : MOST;
    for (unsigned i = 0; i < sleepers; i++) {
        asleep_since[i] = clock_ns(CLOCK_MONOTONIC);
        if (start(read_clocks, 0) || start(sleep_often, i))
            return 1;
    }
    if (start(count_ticks, 0))
        return 1;
    serve_reports(PORT, report, NULL);
}
