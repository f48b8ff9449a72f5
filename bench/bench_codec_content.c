/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench_codec_content.h"

#include <stdio.h>

#include "proto/wire.h"

#define SPARSE_STRIDE 1111u
#define SPARSE_RUN    12u

const char *bench_content_name(enum bench_content kind)
{
    static const char *const names[BENCH_CONTENTS] = {"zero", "unchanged", "sparse", "text",
                                                      "random"};

    return names[kind];
}

/** splitmix64: any seed will do. */
static uint64_t next(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static void fill_random(uint64_t *seed, uint8_t *page)
{
    for (uint32_t i = 0; i < WIRE_PAGE_SIZE; i += 8) {
        uint64_t v = next(seed);

        memcpy(page + i, &v, sizeof(v));
    }
}

/** Words with a number here and there, as in logs and source texts: LZ4 halves it. */
static void fill_text(uint64_t *seed, uint8_t *page)
{
    static const char *const words[] = {
        "the",   "page",  "of",      "memory",  "is",     "copied",   "and",      "sent",
        "while", "a",     "virtual", "machine", "runs",   "on",       "error:",   "connection",
        "from",  "to",    "at",      "line",    "status", "request",  "returned", "with",
        "value", "time=", "user",    "kernel",  "info",   "warning:", "null",     "true"};
    uint32_t at = 0;

    while (at < WIRE_PAGE_SIZE) {
        char word[32];
        uint64_t v = next(seed);
        int n = v % 8 ? snprintf(word, sizeof(word), "%s ", words[v >> 8 & 31])
                      : snprintf(word, sizeof(word), "%s %u\n", words[v >> 8 & 31],
                                 (unsigned)(v >> 16 & 8191));
        uint32_t left = WIRE_PAGE_SIZE - at, take = (uint32_t)n < left ? (uint32_t)n : left;

        memcpy(page + at, word, take);
        at += take;
    }
}

/** Runs begin at another place in each page. */
static void change_sparsely(uint64_t *seed, uint8_t *page)
{
    uint32_t from = (uint32_t)(next(seed) % (SPARSE_STRIDE - SPARSE_RUN));

    for (; from + SPARSE_RUN <= WIRE_PAGE_SIZE; from += SPARSE_STRIDE)
        for (uint32_t i = 0; i < SPARSE_RUN; i++)
            page[from + i] ^= (uint8_t)(1 + next(seed) % 255);
}

void bench_content_fill(enum bench_content kind, uint32_t pfn, uint8_t *base, uint8_t *page)
{
    uint64_t seed = (uint64_t)kind << 32 | pfn;

    if (kind == BENCH_TEXT) {
        fill_text(&seed, base);
        fill_text(&seed, page);
        return;
    }
    fill_random(&seed, base);
    memcpy(page, base, WIRE_PAGE_SIZE);
    if (kind == BENCH_ZERO)
        memset(page, 0, WIRE_PAGE_SIZE);
    else if (kind == BENCH_RANDOM)
        fill_random(&seed, page);
    else if (kind == BENCH_SPARSE)
        change_sparsely(&seed, page);
}
