/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/base/fault.h"
#include "engine/base/log.h"

/* 4 MiB: what an idle guest dirties per epoch fits many times over. */
#define READY_AT_START 1024
/* Pages per step of the whole-image digest. */
#define IMAGE_STEP 256

int capture_init(struct capture *c, struct hv_vm *vm, uint64_t vm_pages, size_t staging_bytes,
                 bool image_digests)
{
    *c = (struct capture){.vm = vm, .vm_pages = vm_pages};
    c->staging_pages = staging_bytes / HV_PAGE_SIZE;
    if (c->staging_pages > vm_pages)
        c->staging_pages = (size_t)vm_pages;
    c->pfn = malloc(vm_pages * sizeof(*c->pfn));
    c->state = malloc(HV_STATE_MAX);
    c->staging = mmap(NULL, c->staging_pages * HV_PAGE_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (c->staging == MAP_FAILED)
        c->staging = NULL;
    if (image_digests) {
        c->image = digest_new();
        c->scratch = malloc((size_t)IMAGE_STEP * HV_PAGE_SIZE);
    }
    if (bitmap_init(&c->dirty, vm_pages) < 0 || bitmap_init(&c->carry, vm_pages) < 0 || !c->pfn ||
        !c->state || !c->staging || (image_digests && (!c->image || !c->scratch))) {
        capture_free(c);
        errno = ENOMEM;
        return -1;
    }
    /* Touched now, not while the VM is stopped. */
    memset(c->pfn, 0, vm_pages * sizeof(*c->pfn));
    memset(c->state, 0, HV_STATE_MAX);
    c->pages = READY_AT_START / 2;
    if (capture_grow(c) == 0)
        return 0;
    capture_free(c);
    errno = ENOMEM;
    return -1;
}

void capture_free(struct capture *c)
{
    bitmap_free(&c->dirty);
    bitmap_free(&c->carry);
    free(c->pfn);
    free(c->state);
    free(c->scratch);
    digest_free(c->image);
    if (c->staging)
        munmap(c->staging, c->staging_pages * HV_PAGE_SIZE);
    *c = (struct capture){0};
}

void capture_reset(struct capture *c)
{
    bitmap_zero(&c->carry);
    c->carry_any = false;
}

/* ---- VM stopped from here ... ---- */

static int take_dirty(struct capture *c, const struct bitmap *also, struct err *err)
{
    if (hv_fetch_dirty(c->vm, &c->dirty, err) < 0)
        return -1;
    if (c->carry_any)
        bitmap_or(&c->dirty, &c->carry);
    if (also)
        bitmap_or(&c->dirty, also);
    size_t from = 0;
    c->pages = bitmap_list(&c->dirty, &from, c->pfn, (size_t)c->vm_pages);
    return 0;
}

static int copy_pages(struct capture *c, struct err *err)
{
    size_t room = c->refused_pages ? c->ready_pages : c->staging_pages;
    c->staged = c->pages <= room;
    return c->staged ? hv_copy(c->vm, c->pfn, c->pages, c->staging, err) : 0;
}

static int image_digest(struct capture *c, struct err *err)
{
    uint64_t pfn[IMAGE_STEP];

    memset(c->image_digest, 0, sizeof(c->image_digest));
    if (!c->image)
        return 0;
    digest_image_reset(c->image);
    for (uint64_t at = 0; at < c->vm_pages; at += IMAGE_STEP) {
        size_t n = c->vm_pages - at < IMAGE_STEP ? (size_t)(c->vm_pages - at) : IMAGE_STEP;
        for (size_t i = 0; i < n; i++)
            pfn[i] = at + i;
        if (hv_copy(c->vm, pfn, n, c->scratch, err) < 0)
            return -1;
        for (size_t i = 0; i < n; i++)
            digest_image_page(c->image, c->scratch + i * HV_PAGE_SIZE);
    }
    digest_final(c->image, c->image_digest);
    return 0;
}

/** When the next part of the pause begins. */
static struct mono part_done(struct hist *part, struct mono start)
{
    struct mono now = mono_now();
    hist_add(part, mono_sub(now, start) / NS_PER_US);
    return now;
}

static int capture_stopped(struct capture *c, const struct bitmap *also, capture_cut_cb cut,
                           void *arg, struct err *err)
{
    (void)FAULT(primary_stopped);
    struct mono start = mono_now();
    if (take_dirty(c, also, err) < 0)
        return -1;
    start = part_done(&c->fetch_us, start);
    (void)FAULT(primary_dirty_fetched);
    if (copy_pages(c, err) < 0)
        return -1;
    start = part_done(&c->copy_us, start);
    (void)FAULT(primary_pages_copied);
    if (hv_save_state(c->vm, c->state, HV_STATE_MAX, &c->state_len, err) < 0)
        return -1;
    (void)part_done(&c->state_us, start);
    if (image_digest(c, err) < 0)
        return -1;
    (void)FAULT(primary_state_saved);
    cut(arg);
    (void)FAULT(primary_before_resume);
    return 0;
}

/* ---- ... to here ---- */

/** The log was reset but its content is not captured: keep it for the next try, let the VM go on.
 */
static void take_back(struct capture *c)
{
    bitmap_or(&c->carry, &c->dirty);
    c->carry_any = true;
    int saved = errno;
    struct err err;
    if (hv_stopped(c->vm) && hv_resume(c->vm, &err) < 0)
        log_debug("VM not resumed after a failed capture: %s", err.text);
    errno = saved;
}

int capture_epoch(struct capture *c, const struct bitmap *also, int stop_timeout_ms,
                  bool leave_stopped, capture_cut_cb cut, void *arg, struct err *err)
{
    (void)FAULT(primary_before_stop);
    bitmap_zero(&c->dirty);
    struct mono asked = mono_now();
    if (!hv_stopped(c->vm) && hv_stop(c->vm, stop_timeout_ms, err) < 0)
        return -1;
    struct mono stopped = mono_now();
    if (capture_stopped(c, also, cut, arg, err) < 0) {
        take_back(c);
        return -1;
    }
    struct mono captured = mono_now();
    if (c->staged && !leave_stopped && hv_resume(c->vm, err) < 0) {
        take_back(c);
        return -1;
    }
    struct mono resumed = mono_now();
    if (c->carry_any)
        capture_reset(c);
    hist_add(&c->handshake_us, mono_sub(stopped, asked) / NS_PER_US);
    hist_add(&c->own_us, mono_sub(resumed, stopped) / NS_PER_US);
    hist_add(&c->resume_us, mono_sub(resumed, captured) / NS_PER_US);
    hist_add(&c->pause_us, mono_sub(resumed, asked) / NS_PER_US);
    hist_add(&c->dirty_pages, (int64_t)c->pages);
    (void)FAULT(primary_resumed);
    return 0;
}

int capture_grow(struct capture *c)
{
    size_t want = c->pages * 2 < READY_AT_START ? READY_AT_START : c->pages * 2;
    if (want < c->refused_pages)
        want = c->refused_pages; /* ask again for what was refused */
    if (want > c->staging_pages)
        want = c->staging_pages;
    if (want <= c->ready_pages)
        return 0;
    int refused = FAULT(primary_stage_alloc)
                      ? (errno = ENOMEM, -1)
                      : madvise(c->staging + c->ready_pages * HV_PAGE_SIZE,
                                (want - c->ready_pages) * HV_PAGE_SIZE, MADV_POPULATE_WRITE);
    /* EINVAL: a kernel before 5.14, where the pages are faulted in by the copy itself. */
    if (refused < 0 && errno != EINVAL) {
        c->refused_pages = want;
        errno = ENOMEM;
        return -1;
    }
    c->ready_pages = want;
    c->refused_pages = 0;
    return 0;
}
