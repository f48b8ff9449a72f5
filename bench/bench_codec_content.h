/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BENCH_CODEC_CONTENT_H
#define REMUS_BENCH_CODEC_CONTENT_H

#include <stdint.h>

/** What a dirty page may hold, against what the backup has. */
enum bench_content {
    BENCH_ZERO,      /* random before, zeroes now */
    BENCH_UNCHANGED, /* written, but with what it held: random */
    BENCH_SPARSE,    /* random, 12 octets in every 1111 changed */
    BENCH_TEXT,      /* one text-like content before, another now */
    BENCH_RANDOM,    /* random before, other random now */
    BENCH_CONTENTS
};

const char *bench_content_name(enum bench_content kind);

/** Fills a page and its base, WIRE_PAGE_SIZE octets each; equal arguments give equal content. */
void bench_content_fill(enum bench_content kind, uint32_t pfn, uint8_t *base, uint8_t *page);

#endif
