/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that is written at a rate that can be changed. TCP port 11: the line "PAGES_PER_SECOND"
 * sets the rate from then on, answered by "rate=N written=N", the pages written so far. It goes
 * through 16 MB in order and fills whole pages with what cannot be compressed. At first it writes
 * nothing.
 */
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/xen/guest/report.h"

enum { PORT = 11, PAGE = 4096, PAGES = 4096, WORDS = PAGE / 8, TICK_MS = 4, MOST_OWED_MS = 1000 };

struct dirtier {
    uint64_t *memory;
    uint64_t rate, written, random;
};

static void write_page(struct dirtier *d)
{
    uint64_t *word = d->memory + d->written % PAGES * WORDS;

    for (unsigned i = 0; i < WORDS; i++) {
        d->random = d->random * 6364136223846793005u + 1442695040888963407u;
        word[i] = d->random;
    }
    d->written++;
}

static void answer(struct dirtier *d, int listener)
{
    int sock = accept(listener, NULL, NULL);
    unsigned long rate;
    char line[64];
    ssize_t n = sock < 0 ? 0 : read(sock, line, sizeof(line) - 1);

    line[n > 0 ? n : 0] = 0;
    if (sscanf(line, "%lu", &rate) == 1) {
        d->rate = rate;
        dprintf(sock, "rate=%lu written=%lu\n", d->rate, d->written);
    }
    if (sock >= 0)
        close(sock);
}

static uint64_t now_us(void)
{
    return (uint64_t)clock_ns(CLOCK_MONOTONIC) / 1000;
}

/* What was missed while the CPU was busy elsewhere is not caught up beyond one second. */
static void run(struct dirtier *d, int listener)
{
    uint64_t owed = 0, last = now_us(), now;

    for (;; last = now) {
        struct pollfd wait = {.fd = listener, .events = POLLIN};

        if (poll(&wait, 1, d->rate ? TICK_MS : -1) > 0)
            answer(d, listener);
        now = now_us();
        owed = d->rate ? owed + (now - last) * d->rate : 0;
        if (owed > MOST_OWED_MS * 1000 * d->rate)
            owed = MOST_OWED_MS * 1000 * d->rate;
        for (; owed >= 1000000; owed -= 1000000)
            write_page(d);
    }
}

int main(void)
{
    struct dirtier d = {.random = 1};
    int listener = listen_on(PORT);

    signal(SIGPIPE, SIG_IGN);
    d.memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (d.memory == MAP_FAILED)
        return 1;
    run(&d, listener);
}
