/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/bench_memory.h"
#include "bench/bench_rig.h"
#include "engine/capture.h"
#include "engine/hv/hv.h"

/*
 * The engine's capture in this process, and in turn with it the same steps by hand with a bare
 * memcpy of the same pages into the same memory. Both find pages that the VM's own core wrote an
 * epoch ago, and their own core's caches full of something else, as coding leaves them. Engine and
 * VM have a core each: otherwise the VM that is resumed may push aside the clock that measures it.
 */
#define MEM_MB      64
#define MEM_SIZE    ((size_t)MEM_MB << 20)
#define GAP_MS      25
#define STOP_MS     2000
#define CACHE_BYTES ((size_t)8 << 20)
#define AIM         1.5

enum step { HANDSHAKE, BITMAP, COPY, STATE, RESUME, STEPS };
static const char *const step_names[STEPS] = {"handshake_us", "bitmap_us", "memcpy_us", "state_us",
                                              "resume_us"};

struct pause {
    struct hv *hv;
    struct hv_vm *vm;
    struct capture capture;
    bool ready; /* capture is */
    uint8_t *memory, *cache;
    struct spread whole, copy, ratio, step[STEPS];
};

static double us(struct mono from, struct mono to)
{
    return (double)mono_sub(to, from) / NS_PER_US;
}

static void no_cut(void *arg)
{
    (void)arg;
}

/** One epoch of the VM running, then caches as coding leaves them. */
static int let_run(struct pause *p, struct err *err)
{
    if (proc_sleep_ms(GAP_MS) < 0)
        return err_errno(err, "", "pause");
    for (size_t i = 0; i < CACHE_BYTES; i += 64)
        p->cache[i]++;
    return 0;
}

static int by_engine(struct pause *p, double *ret_us, struct err *err)
{
    if (let_run(p, err) < 0)
        return -1;
    struct mono start = mono_now();
    if (capture_epoch(&p->capture, NULL, STOP_MS, false, no_cut, NULL, err) < 0)
        return -1;
    *ret_us = us(start, mono_now());
    return 0;
}

/** The dirty pages, one memcpy for each run of them. */
static void copy_bare(struct pause *p)
{
    struct capture *c = &p->capture;

    for (size_t i = 0, k; i < c->pages; i += k) {
        for (k = 1; i + k < c->pages && c->pfn[i + k] == c->pfn[i] + k; k++)
            ;
        memcpy(c->staging + i * HV_PAGE_SIZE, p->memory + c->pfn[i] * HV_PAGE_SIZE,
               k * HV_PAGE_SIZE);
    }
}

static int fetch_list(struct capture *c, struct err *err)
{
    size_t from = 0;

    if (hv_fetch_dirty(c->vm, &c->dirty, err) < 0)
        return -1;
    c->pages = bitmap_list(&c->dirty, &from, c->pfn, (size_t)c->vm_pages);
    return 0;
}

static int by_hand(struct pause *p, double step[STEPS], struct err *err)
{
    struct capture *c = &p->capture;
    struct mono t[STEPS + 1];

    if (let_run(p, err) < 0)
        return -1;
    bitmap_zero(&c->dirty);
    t[0] = mono_now();
    if (hv_stop(p->vm, STOP_MS, err) < 0)
        return -1;
    t[1] = mono_now();
    if (fetch_list(c, err) < 0)
        return -1;
    t[2] = mono_now();
    copy_bare(p);
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

/** One of each. A pair in which the VM was not done with its pages does not count. */
static int pair(struct pause *p, size_t pages, struct err *err)
{
    double whole, step[STEPS];

    if (by_engine(p, &whole, err) < 0)
        return -1;
    bool good = p->capture.pages == pages;
    if (capture_grow(&p->capture) < 0)
        return err_errno(err, "", "staging");
    if (by_hand(p, step, err) < 0)
        return -1;
    if (!good || p->capture.pages != pages)
        return 0;
    spread_add(&p->whole, whole);
    spread_add(&p->copy, (double)p->capture.copy_us.last);
    if (pages > 0)
        spread_add(&p->ratio, whole / step[COPY]);
    for (int i = 0; i < STEPS; i++)
        spread_add(&p->step[i], step[i]);
    return 0;
}

static int attach(struct pause *p, struct rig *r, const struct rig_vm *vm, struct err *err)
{
    char dir[PATH_MAX];
    struct hv_info info;

    snprintf(dir, sizeof(dir), "%s/A/vms", r->dir);
    if (hv_open("sim", dir, &p->hv, err) < 0 || hv_find(p->hv, vm->uuid, &info, err) < 0 ||
        hv_attach(p->hv, &info.uuid, HV_SUSPEND_AUTO, &p->vm, err) < 0 ||
        hv_log_start(p->vm, err) < 0)
        return -1;
    if (capture_init(&p->capture, p->vm, info.pages, MEM_SIZE, false) < 0)
        return err_errno(err, "", "staging");
    p->ready = true;
    p->memory = memory_map(vm->proc.pid, MEM_SIZE, err);
    p->cache = memory_new(CACHE_BYTES, err);
    return p->memory && p->cache ? 0 : -1;
}

static void detach(struct pause *p)
{
    if (p->ready)
        capture_free(&p->capture);
    if (p->vm)
        hv_end(p->vm);
    if (p->hv)
        hv_close(p->hv);
    memory_unmap(p->memory, MEM_SIZE);
    memory_unmap(p->cache, CACHE_BYTES);
    spread_free(&p->whole);
    spread_free(&p->copy);
    spread_free(&p->ratio);
    for (int i = 0; i < STEPS; i++)
        spread_free(&p->step[i]);
}

static int report(struct bench *b, struct pause *p, size_t pages, struct err *err)
{
    json_t *line = json_pack("{s:s, s:i, s:o, s:o, s:o, s:f}", "bench", "pause", "pages",
                             (int)pages, "pause_us", spread_json(&p->whole), "copy_us",
                             spread_json(&p->copy), "ratio", spread_json(&p->ratio), "aim", AIM);

    for (int i = 0; line && i < STEPS; i++)
        json_object_set_new(line, step_names[i], spread_json(&p->step[i]));
    printf("%6zu %8.0f %8.0f %9.0f %8.2f %9.0f %7.0f %6.0f %7.0f %5zu\n", pages,
           spread_median(&p->whole), spread_at(&p->whole, 75), spread_median(&p->step[COPY]),
           pages ? spread_median(&p->ratio) : NAN, spread_median(&p->step[HANDSHAKE]),
           spread_median(&p->step[BITMAP]), spread_median(&p->step[STATE]),
           spread_median(&p->step[RESUME]), p->whole.n);
    return bench_emit(b, line, err);
}

static int measure(struct bench *b, struct rig *r, size_t pages, struct err *err)
{
    /* A pass over the span takes two thirds of an epoch, so that each epoch sees all of it. */
    struct rig_vm_opts opts = {.mem_mb = MEM_MB,
                               .dirty_rate = (int)pages * 60,
                               .span_mb = (int)pages / 256,
                               .order = "seq",
                               .content = "random"};
    struct pause p = {0};
    struct rig_vm vm;

    if (rig_vm_start(r, &vm, &opts, err) < 0)
        return -1;
    proc_pin(vm.proc.pid, 1);
    proc_pin(0, 0);
    int rc = attach(&p, r, &vm, err), rounds = bench_amount(b, 120, 20);
    /* The first captures are of all memory, and fault mappings in. */
    for (int i = -2; rc == 0 && i < rounds; i++)
        rc = pair(&p, i < 0 ? SIZE_MAX : pages, err);
    if (rc == 0)
        rc = report(b, &p, pages, err);
    detach(&p);
    proc_pin(0, -1);
    rig_vm_stop(r, &vm);
    return rc;
}

int bench_pause(struct bench *b, struct err *err)
{
    static const size_t sizes[] = {0, 256, 1024, 4096};
    struct rig r;
    int rc = rig_start(&r, b, err);

    if (rc < 0)
        return -1;
    printf(" pages pause p50      p75 memcpy us    ratio handshake  bitmap  state  resume     n\n");
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(sizes); i++)
        rc = measure(b, &r, sizes[i], err);
    rig_stop(&r);
    return rc;
}
