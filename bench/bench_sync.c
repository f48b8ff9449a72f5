/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/bench_codec_content.h"
#include "bench/bench_loopback.h"
#include "bench/bench_memory.h"
#include "bench/bench_rig.h"

#define EPOCH_MS   25
#define PAGE       4096u
#define FILL_PAGES 1024u
/* The replica, the primary's copy for deltas, and what is in between. */
#define COPIES 3

static const struct kind {
    const char *name;
    bool holes;
    enum bench_content content;
} kinds[] = {
    {"random", false, BENCH_RANDOM},
    {"text", false, BENCH_TEXT},
    {"untouched", true, BENCH_ZERO},
};

/** Fills the VM's memory from outside, before anything looks at it; each page has its content. */
static int fill(const struct rig_vm *vm, size_t size, enum bench_content content, struct err *err)
{
    uint8_t *memory = memory_map(vm->proc.pid, size, err);
    uint8_t *pages = memory_new((size_t)FILL_PAGES * PAGE, err), base[PAGE];
    int rc = memory && pages ? 0 : -1;

    for (uint32_t i = 0; rc == 0 && i < FILL_PAGES; i++)
        bench_content_fill(content, i, base, pages + (size_t)i * PAGE);
    for (size_t at = 0; rc == 0 && at < size; at += (size_t)FILL_PAGES * PAGE)
        memcpy(memory + at, pages, (size_t)FILL_PAGES * PAGE);
    memory_unmap(memory, size);
    memory_unmap(pages, (size_t)FILL_PAGES * PAGE);
    return rc;
}

/** 1e6 octets a second of a plain copy between two memories that are backed. */
static int copy_rate(size_t size, double *ret, struct err *err)
{
    uint8_t *from = memory_new(size, err), *to = memory_new(size, err);
    int rc = from && to ? 0 : -1;

    if (rc == 0) {
        memset(from, 1, size);
        struct mono start = mono_now();
        memcpy(to, from, size);
        *ret = (double)size / 1e6 / ((double)mono_sub(mono_now(), start) / NS_PER_S);
    }
    memory_unmap(from, size);
    memory_unmap(to, size);
    return rc;
}

/** 1e6 octets of memory a second until the first epoch was sealed. */
static int sync_rate(struct rig *r, int mem_mb, const struct kind *kind, double *ret,
                     struct err *err)
{
    size_t size = (size_t)mem_mb << 20;
    struct rig_vm_opts opts = {.mem_mb = mem_mb};
    struct rig_vm vm;

    if (rig_vm_start(r, &vm, &opts, err) < 0)
        return -1;
    int rc = kind->holes ? 0 : fill(&vm, size, kind->content, err);
    if (rc == 0)
        rc = memory_warm(COPIES * size, err);
    if (rc == 0)
        rc = rig_protect(r, &vm, EPOCH_MS, "backup", err);
    if (rc == 0) {
        int64_t begun = rig_event(r, RIG_A, &vm, "sync-start");
        int64_t done = rig_event(r, RIG_A, &vm, "protected");
        *ret = (double)size / 1e6 / ((double)(done - begun) / NS_PER_S);
        rc = rig_unprotect(r, &vm, err);
    }
    rig_vm_stop(r, &vm);
    return rc;
}

struct rates {
    struct spread sync, copy, loopback, of_loopback;
};

static void rates_free(struct rates *s)
{
    spread_free(&s->sync);
    spread_free(&s->copy);
    spread_free(&s->loopback);
    spread_free(&s->of_loopback);
}

static int one_round(struct rig *r, int mem_mb, const struct kind *kind, struct rates *s,
                     struct err *err)
{
    size_t size = (size_t)mem_mb << 20;
    double sync = 0, copy = 0, loopback = 0;

    if (copy_rate(size, &copy, err) < 0 || loopback_rate(size, &loopback, err) < 0 ||
        sync_rate(r, mem_mb, kind, &sync, err) < 0)
        return -1;
    spread_add(&s->sync, sync);
    spread_add(&s->copy, copy);
    spread_add(&s->loopback, loopback);
    spread_add(&s->of_loopback, sync / loopback);
    return 0;
}

static int report(struct bench *b, int mem_mb, const struct kind *kind, struct rates *s,
                  struct err *err)
{
    double seconds = mem_mb * 1.048576 / spread_median(&s->sync);

    printf("%6d %-10s %9.0f %9.2f %11.0f %11.0f %8.2f\n", mem_mb, kind->name,
           spread_median(&s->sync), seconds, spread_median(&s->copy), spread_median(&s->loopback),
           spread_median(&s->of_loopback));
    return bench_emit(b,
                      json_pack("{s:s, s:i, s:s, s:o, s:o, s:o, s:o}", "bench", "sync", "vm_mb",
                                mem_mb, "content", kind->name, "mb_per_s", spread_json(&s->sync),
                                "memcpy_mb_per_s", spread_json(&s->copy), "loopback_mb_per_s",
                                spread_json(&s->loopback), "of_loopback",
                                spread_json(&s->of_loopback)),
                      err);
}

static int measure(struct bench *b, struct rig *r, int mem_mb, const struct kind *kind,
                   struct err *err)
{
    struct rates s = {0};
    int rc = 0, rounds = bench_amount(b, mem_mb > 256 ? 2 : 3, 1);

    for (int i = 0; rc == 0 && i < rounds; i++)
        rc = one_round(r, mem_mb, kind, &s, err);
    if (rc == 0)
        rc = report(b, mem_mb, kind, &s, err);
    rates_free(&s);
    return rc;
}

int bench_sync(struct bench *b, struct err *err)
{
    static const int sizes[] = {256, 1024};
    size_t n = b->quick ? 1 : ARRAY_LEN(sizes);
    struct rig r;
    int rc = rig_start(&r, b, err);

    if (rc < 0)
        return -1;
    printf("VM MiB content         MB/s   seconds memcpy MB/s   loopback   of loopback\n");
    for (size_t i = 0; rc == 0 && i < n * ARRAY_LEN(kinds); i++)
        rc = measure(b, &r, sizes[i / ARRAY_LEN(kinds)], &kinds[i % ARRAY_LEN(kinds)], err);
    rig_stop(&r);
    return rc;
}
