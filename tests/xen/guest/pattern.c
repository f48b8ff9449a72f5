/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pattern MEGABYTES PAGES_PER_SECOND: memory that checks itself. Every word of a page follows from
 * the page's number and generation; the generations are in a table elsewhere. A page of another
 * moment than its table entry is therefore found, however whole it looks. TCP port 9 checks all
 * pages at once and answers with one line: pages=N writes=N checks=N errors=N first_bad=PAGE|-1
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

enum { PORT = 9, PAGE = 4096, WORDS = PAGE / 8, TICK_MS = 20 };

struct pattern {
    uint64_t *memory;
    uint32_t *generation; /* of each page */
    uint64_t pages, writes, checks, errors;
    int64_t first_bad;
    uint64_t random;
};

static uint64_t next(uint64_t x)
{
    return x * 6364136223846793005u + 1442695040888963407u;
}

static void fill(struct pattern *p, uint64_t page)
{
    uint64_t *word = p->memory + page * WORDS, x = page << 32 | p->generation[page];

    for (unsigned i = 0; i < WORDS; i++, x = next(x))
        word[i] = x;
}

static void check(struct pattern *p, uint64_t page)
{
    const uint64_t *word = p->memory + page * WORDS;
    uint64_t x = page << 32 | p->generation[page], bad = 0;

    for (unsigned i = 0; i < WORDS; i++, x = next(x))
        bad |= word[i] ^ x;
    p->checks++;
    if (bad && p->errors++ == 0)
        p->first_bad = (int64_t)page;
}

static void rewrite(struct pattern *p)
{
    uint64_t page = (p->random >> 33) % p->pages;

    p->random = next(p->random);
    check(p, page);
    p->generation[page]++;
    p->writes++;
    fill(p, page);
}

/* The writes that the table knows of must add up to those counted. */
static void check_all(struct pattern *p)
{
    uint64_t total = 0;

    for (uint64_t page = 0; page < p->pages; page++) {
        check(p, page);
        total += p->generation[page];
    }
    p->errors += total != p->writes;
}

static void answer(struct pattern *p, int listener)
{
    int sock = accept(listener, NULL, NULL);

    if (sock < 0)
        return;
    set_priority(AT_ONCE);
    check_all(p);
    dprintf(sock, "pages=%lu writes=%lu checks=%lu errors=%lu first_bad=%ld\n", p->pages, p->writes,
            p->checks, p->errors, p->first_bad);
    close(sock);
    set_priority(IN_TURN);
}

static uint64_t now_ms(void)
{
    return (uint64_t)clock_ns(CLOCK_MONOTONIC) / 1000000;
}

/* What was missed while the CPU was busy elsewhere is not caught up beyond one second. */
static void run(struct pattern *p, int listener, uint64_t rate)
{
    uint64_t owed = 0, last = now_ms();

    for (;;) {
        struct pollfd wait = {.fd = listener, .events = POLLIN};
        uint64_t now;

        if (poll(&wait, 1, rate ? TICK_MS : -1) > 0)
            answer(p, listener);
        now = now_ms();
        owed += (now - last) * rate;
        last = now;
        if (owed > 1000 * rate)
            owed = 1000 * rate;
        for (; owed >= 1000; owed -= 1000)
            rewrite(p);
    }
}

int main(int argc, char **argv)
{
    struct pattern p = {.first_bad = -1, .random = 1};
    int listener = listen_on(PORT); /* whoever asks before all is filled waits */

    if (argc != 3)
        return 2;
    p.pages = strtoull(argv[1], NULL, 10) * (1 << 20) / PAGE;
    p.memory =
        mmap(NULL, p.pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p.generation = calloc(p.pages, sizeof(*p.generation));
    if (p.pages == 0 || p.memory == MAP_FAILED || !p.generation)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    for (uint64_t page = 0; page < p.pages; page++)
        fill(&p, page);
    run(&p, listener, strtoull(argv[2], NULL, 10));
}
