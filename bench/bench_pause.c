/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/bench.h"
#include "bench/bench_rig.h"
#include "engine/capture.h"
#include "engine/hv/hv.h"

/*
 * The engine's capture in this process, and in turn with it the same steps by hand with a bare
 * memcpy of the same pages into the same memory. Both find pages that the VM's own core wrote an
 * epoch ago, and their own core's caches full of something else, as coding leaves them.
 */
#define MEM_MB      64
#define GAP_MS      25
#define MISS_MAX    20 /* captures in a row that find the VM not yet done with its pages */
#define CACHE_BYTES (8u << 20)
#define STAGING     (64u << 20)
#define AIM         1.5

enum step { HANDSHAKE, BITMAP, COPY, STATE, RESUME, STEPS };
static const char *const step_names[STEPS] = {"handshake_us", "bitmap_us", "memcpy_us", "state_us",
                                              "resume_us"};

struct pause {
    size_t pages; /* asked for, per epoch */
    struct hv *hv;
    struct hv_vm *vm;
    struct capture capture;
    uint8_t *cache; /* CACHE_BYTES, for emptying the caches */
    struct spread whole, handshake, copy, ratio, step[STEPS];
};

static double us(struct mono from, struct mono to)
{
    return (double)mono_sub(to, from) / NS_PER_US;
}

static void no_cut(void *arg)
{
    (void)arg;
}

/** Reads and writes more than a core's own cache. */
static void fill_caches(struct pause *p)
{
    for (size_t i = 0; i < CACHE_BYTES; i += 64)
        p->cache[i]++;
}

/** One epoch of the VM running, then caches as coding leaves them. */
static int let_run(struct pause *p, struct err *err)
{
    if (proc_sleep_ms(GAP_MS) < 0)
        return err_errno(err, "", "pause");
    fill_caches(p);
    return 0;
}

static int by_engine(struct pause *p, double *ret_us, struct err *err)
{
    struct capture *c = &p->capture;

    if (let_run(p, err) < 0)
        return -1;
    struct mono start = mono_now();
    if (capture_epoch(c, NULL, 2000, false, no_cut, NULL, err) < 0)
        return -1;
    *ret_us = us(start, mono_now());
    return 0;
}

static int copy_bare(struct pause *p, struct err *err)
{
    struct capture *c = &p->capture;
    size_t from = 0;

    c->pages = bitmap_list(&c->dirty, &from, c->pfn, (size_t)c->vm_pages);
    (void)err;
    return 0;
}

/** The steps by hand; step[COPY] is a bare memcpy out of `mem`. */
static int by_hand(struct pause *p, const uint8_t *mem, double step[STEPS], struct err *err)
{
    struct capture *c = &p->capture;
    struct mono t[STEPS + 1];

    if (let_run(p, err) < 0)
        return -1;
    t[0] = mono_now();
    if (hv_stop(p->vm, 2000, err) < 0)
        return -1;
    t[1] = mono_now();
    if (hv_fetch_dirty(p->vm, &c->dirty, err) < 0 || copy_bare(p, err) < 0)
        return -1;
    t[2] = mono_now();
    for (size_t i = 0; i < c->pages; i++)
        memcpy(c->staging + i * HV_PAGE_SIZE, mem + c->pfn[i] * HV_PAGE_SIZE, HV_PAGE_SIZE);
    t[3] = mono_now();
    if (hv_save_state(p->vm, c->state, HV_STATE_MAX, &c->state_len, err) < 0)
        return -1;
    t[4] = mono_now();
    if (hv_resume(p->vm, err) < 0)
        return -1;
    t[5] = mono_now();
    for (int i = 0; i < STEPS; i++)
        step[i] = us(t[i], t[i + 1]);
    return 0;
}
