/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diskcheck DEVICE [THREADS [read]]: overwrites DEVICE. Each thread has blocks of its own, and one
 * request under way at a time, past the page cache. A block says which it is and how often it was
 * written; before it is written again it is read. A write that was lost, went elsewhere, or was
 * done once more after a later one shows as an older block; a request that was lost as one that
 * never ends. read: it only reads; no two blocks are to be alike, and each is to stay as it was
 * first seen.
 * TCP port 14: reads=N writes=N flushes=N errors=N pending_ms=N (the request that has taken
 * longest)
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/xen/guest/report.h"

enum { PORT = 14, BLOCK = 4096, BLOCKS = 128, MOST = 32, FLUSH_EVERY = 16 };

struct worker {
    int fd;
    unsigned number, renewed;
    uint64_t generation[BLOCKS]; /* or, of one that only reads, what the block adds up to */
    atomic_long since;           /* when its request began */
};

static struct worker workers[MOST];
static unsigned count = 8;
static int only_reads;
static atomic_ulong reads, writes, flushes, errors;

static void fill(uint64_t *block, uint64_t which, uint64_t generation)
{
    uint64_t x = which << 32 | generation;

    for (unsigned i = 0; i < BLOCK / 8; i++, x = x * 6364136223846793005u + 1442695040888963407u)
        block[i] = x;
}

static void transfer(struct worker *w, void *block, unsigned i, int writing)
{
    off_t at = ((off_t)w->number * BLOCKS + i) * BLOCK;
    ssize_t n = writing ? pwrite(w->fd, block, BLOCK, at) : pread(w->fd, block, BLOCK, at);

    if (n != BLOCK) {
        fprintf(stderr, "diskcheck: %s\n", strerror(errno));
        atomic_fetch_add(&errors, 1);
    }
    atomic_fetch_add(writing ? &writes : &reads, 1);
    atomic_store(&w->since, clock_ns(CLOCK_MONOTONIC));
}

static void flush(struct worker *w)
{
    if (fdatasync(w->fd))
        atomic_fetch_add(&errors, 1);
    atomic_fetch_add(&flushes, 1);
}

static void renew(struct worker *w, uint64_t *block, uint64_t *expected, unsigned i)
{
    uint64_t which = (uint64_t)w->number * BLOCKS + i;

    if (w->generation[i] > 0) {
        fill(expected, which, w->generation[i]);
        transfer(w, block, i, 0);
        if (memcmp(block, expected, BLOCK) != 0)
            atomic_fetch_add(&errors, 1);
    }
    fill(block, which, ++w->generation[i]);
    transfer(w, block, i, 1);
    if (++w->renewed % FLUSH_EVERY == 0)
        flush(w);
}

static uint64_t sum_of(const uint64_t *block)
{
    uint64_t sum = 1;

    for (unsigned i = 0; i < BLOCK / 8; i++)
        sum = sum * 6364136223846793005u + block[i];
    return sum ? sum : 1;
}

static void look(struct worker *w, uint64_t *block, unsigned i)
{
    uint64_t sum;

    transfer(w, block, i, 0);
    sum = sum_of(block);
    if (w->generation[i] > 0 && w->generation[i] != sum)
        atomic_fetch_add(&errors, 1);
    w->generation[i] = sum;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    uint64_t random = w->number + 1;
    void *block, *expected;

    if (posix_memalign(&block, BLOCK, BLOCK) || posix_memalign(&expected, BLOCK, BLOCK))
        exit(1);
    for (;;) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        atomic_store(&w->since, clock_ns(CLOCK_MONOTONIC));
        if (only_reads)
            look(w, block, (random >> 33) % BLOCKS);
        else
            renew(w, block, expected, (random >> 33) % BLOCKS);
    }
    return NULL;
}

static void report(FILE *out, void *unused)
{
    long now = clock_ns(CLOCK_MONOTONIC), oldest = now;

    (void)unused;
    for (unsigned i = 0; i < count; i++) {
        long since = atomic_load(&workers[i].since);
        oldest = since < oldest ? since : oldest;
    }
    fprintf(out, "reads=%lu writes=%lu flushes=%lu errors=%lu pending_ms=%ld\n",
            atomic_load(&reads), atomic_load(&writes), atomic_load(&flushes), atomic_load(&errors),
            (now - oldest) / 1000000);
}

int main(int argc, char **argv)
{
    if (argc > 2)
        count = (unsigned)atoi(argv[2]);
    only_reads = argc > 3 && strcmp(argv[3], "read") == 0;
    if (argc < 2 || count < 1 || count > MOST)
        return 2;
    for (unsigned i = 0; i < count; i++) {
        struct worker *w = &workers[i];
        pthread_t thread;

        w->number = i;
        w->fd = open(argv[1], (only_reads ? O_RDONLY : O_RDWR) | O_DIRECT);
        atomic_store(&w->since, clock_ns(CLOCK_MONOTONIC));
        if (w->fd < 0 || pthread_create(&thread, NULL, work, w)) {
            perror(argv[1]);
            return 1;
        }
    }
    serve_reports(PORT, report, NULL);
}
