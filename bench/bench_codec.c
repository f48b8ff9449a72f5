/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench_codec.h"

#include <errno.h>
#include <jansson.h>
#include <lz4.h>
#include <stdlib.h>
#include <time.h>

#include "bench/bench_codec_content.h"
#include "proto/digest.h"
#include "proto/page.h"

#define SIZE        WIRE_PAGE_SIZE
#define PAGES       8192u /* 32 MiB: more than a core's own caches */
#define REPETITIONS 9u
#define LZ4_ROOM    ((uint32_t)LZ4_COMPRESSBOUND(SIZE))

enum what { ENCODE, DECODE, LZ4_ENCODE, LZ4_DECODE, COPY, DIGEST, WHATS };
static const char *const names[WHATS] = {"encode",     "decode", "lz4_encode",
                                         "lz4_decode", "memcpy", "digest"};

/** One page as coded. */
struct coded {
    int choice;
    uint32_t len;
    const uint8_t *data;
};

struct work {
    uint8_t *pages, *bases, *copy; /* PAGES pages each */
    uint8_t *out, *lz4_out;        /* room for PAGES coded pages */
    struct coded *coded, *lz4;
    struct digest *digest;
    double rate[WHATS][REPETITIONS];
};

static void encode_all(struct work *w)
{
    uint8_t *p = w->out;

    for (uint32_t i = 0; i < PAGES; i++) {
        struct coded *c = w->coded + i;

        c->data = p;
        c->choice =
            page_encode(w->pages + i * SIZE, w->bases + i * SIZE, WIRE_FEATURES_ALL, p, &c->len);
        p += c->len;
    }
}

/** Into pages of its own, as for an epoch that is staged. */
static bool decode_all(struct work *w)
{
    bool good = true;

    for (uint32_t i = 0; i < PAGES; i++) {
        const struct coded *c = w->coded + i;

        if (c->choice != PAGE_UNCHANGED)
            good &= page_decode((uint8_t)c->choice, c->data, c->len, w->bases + i * SIZE,
                                w->copy + i * SIZE);
    }
    return good;
}

static void lz4_encode_all(struct work *w)
{
    uint8_t *p = w->lz4_out;

    for (uint32_t i = 0; i < PAGES; i++) {
        struct coded *c = w->lz4 + i;

        c->data = p;
        c->len = (uint32_t)LZ4_compress_default((const char *)w->pages + i * SIZE, (char *)p, SIZE,
                                                (int)LZ4_ROOM);
        p += c->len;
    }
}

static bool lz4_decode_all(struct work *w)
{
    bool good = true;

    for (uint32_t i = 0; i < PAGES; i++)
        good &= LZ4_decompress_safe((const char *)w->lz4[i].data, (char *)w->copy + i * SIZE,
                                    (int)w->lz4[i].len, SIZE) == SIZE;
    return good;
}

static void digest_all(struct work *w)
{
    uint8_t value[16];

    digest_reset(w->digest, 1, 1);
    for (uint32_t i = 0; i < PAGES; i++)
        digest_page(w->digest, i, w->pages + i * SIZE);
    digest_final(w->digest, value);
}

static bool run(struct work *w, enum what what)
{
    switch (what) {
    case ENCODE:
        encode_all(w);
        return true;
    case DECODE:
        return decode_all(w);
    case LZ4_ENCODE:
        lz4_encode_all(w);
        return true;
    case LZ4_DECODE:
        return lz4_decode_all(w);
    case COPY:
        memcpy(w->copy, w->pages, (size_t)PAGES * SIZE);
        return true;
    case DIGEST:
        digest_all(w);
        return true;
    case WHATS:
        break;
    }
    return false;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/** Every page that was coded must have come back; an unchanged one was not touched. */
static bool came_back(const struct work *w, bool lz4)
{
    for (uint32_t i = 0; i < PAGES; i++) {
        if (!lz4 && w->coded[i].choice == PAGE_UNCHANGED)
            continue;
        if (memcmp(w->copy + i * SIZE, w->pages + i * SIZE, SIZE) != 0)
            return false;
    }
    return true;
}

/** All kinds of work in turn, so that a disturbance hits each of them. The first round only warms
 * up. */
static bool measure(struct work *w)
{
    for (uint32_t round = 0; round <= REPETITIONS; round++) {
        for (enum what what = 0; what < WHATS; what++) {
            double begun = seconds();
            bool good = run(w, what);
            double took = seconds() - begun;

            if (round > 0)
                w->rate[what][round - 1] = (double)PAGES * SIZE / 1e9 / took;
            else if (what == DECODE || what == LZ4_DECODE)
                good = good && came_back(w, what == LZ4_DECODE);
            if (!good)
                return false;
        }
    }
    return true;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static json_t *spread(double *rates)
{
    qsort(rates, REPETITIONS, sizeof(*rates), by_size);
    return json_pack("{s:f, s:f, s:f}", "median", rates[REPETITIONS / 2], "min", rates[0], "max",
                     rates[REPETITIONS - 1]);
}

static double ratio(const struct coded *coded)
{
    uint64_t octets = 0;

    for (uint32_t i = 0; i < PAGES; i++)
        octets += coded[i].len;
    return (double)octets / ((double)PAGES * SIZE);
}

static json_t *codings(const struct work *w, int *ret_unchanged)
{
    int n[5] = {0};

    for (uint32_t i = 0; i < PAGES; i++)
        n[w->coded[i].choice + 1]++;
    *ret_unchanged = n[0];
    return json_pack("{s:i, s:i, s:i, s:i, s:i}", "unchanged", n[0], "zero", n[1], "raw", n[2],
                     "lz4", n[3], "delta", n[4]);
}

static int report(struct work *w, const char *kind, FILE *json_out)
{
    int unchanged, rc = -1;
    json_t *line = json_pack("{s:s, s:s, s:i, s:i}", "bench", "codec", "kind", kind, "pages", PAGES,
                             "repetitions", REPETITIONS);

    /* A failed allocation below shows as a failed set. */
    int failed = !line || json_object_set_new(line, "codings", codings(w, &unchanged));

    for (enum what what = 0; !failed && what < WHATS; what++) {
        bool nothing = what == DECODE && unchanged == (int)PAGES;

        failed =
            json_object_set_new(line, names[what], nothing ? json_null() : spread(w->rate[what]));
    }
    if (!failed)
        failed = json_object_set_new(line, "ratio", json_real(ratio(w->coded))) ||
                 json_object_set_new(line, "lz4_ratio", json_real(ratio(w->lz4)));
    if (failed)
        errno = ENOMEM;
    else if (json_dumpf(line, json_out, JSON_COMPACT | JSON_REAL_PRECISION(4)) == 0 &&
             fputc('\n', json_out) != EOF && fflush(json_out) == 0)
        rc = 0;
    json_decref(line);
    return rc;
}

static void work_free(struct work *w)
{
    free(w->pages);
    free(w->bases);
    free(w->copy);
    free(w->out);
    free(w->lz4_out);
    free(w->coded);
    free(w->lz4);
    digest_free(w->digest);
}

static bool work_init(struct work *w)
{
    *w = (struct work){
        .pages = aligned_alloc(SIZE, (size_t)PAGES * SIZE),
        .bases = aligned_alloc(SIZE, (size_t)PAGES * SIZE),
        .copy = aligned_alloc(SIZE, (size_t)PAGES * SIZE),
        .out = malloc((size_t)PAGES * SIZE),
        .lz4_out = malloc((size_t)PAGES * LZ4_ROOM),
        .coded = calloc(PAGES, sizeof(*w->coded)),
        .lz4 = calloc(PAGES, sizeof(*w->lz4)),
        .digest = digest_new(),
    };
    return w->pages && w->bases && w->copy && w->out && w->lz4_out && w->coded && w->lz4 &&
           w->digest;
}

int bench_codec(FILE *json_out)
{
    struct work w;
    int rc = 0, saved;

    if (!work_init(&w)) {
        errno = ENOMEM;
        rc = -1;
    }
    for (enum bench_content kind = 0; rc == 0 && kind < BENCH_CONTENTS; kind++) {
        for (uint32_t i = 0; i < PAGES; i++)
            bench_content_fill(kind, i, w.bases + i * SIZE, w.pages + i * SIZE);
        if (measure(&w)) {
            rc = report(&w, bench_content_name(kind), json_out);
        } else {
            errno = EPROTO;
            rc = -1;
        }
    }
    saved = errno;
    work_free(&w);
    errno = saved;
    return rc;
}
