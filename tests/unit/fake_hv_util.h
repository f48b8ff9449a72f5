/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_FAKE_HV_UTIL_H
#define REMUS_TESTS_FAKE_HV_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hv/hv_impl.h"

/**
 * A VM and a replica in memory of the test, whose operations fail when the test says so. The guest
 * is fake_vm_write.
 */

/** A generator that is the same everywhere, so that a failing seed can be run again. */
static inline uint32_t fake_random(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(*seed >> 4) * below) >> 28);
}

struct fake_fail {
    const char *op; /* NULL: nothing fails */
    int error;
    unsigned calls; /* this many calls in a row */
};

/** 0, or -1 with errno: the armed failure of `op`. */
static inline int fake_due(struct fake_fail *f, const char *op, struct err *err)
{
    if (!f->op || f->calls == 0 || strcmp(f->op, op) != 0)
        return 0;
    f->calls--;
    errno = f->error;
    return err_set(err, "", "fake %s", op);
}

/* ---- a VM ---- */

struct fake_vm {
    struct hv_vm vm;
    uint64_t pages;
    uint8_t *mem;
    struct bitmap log;
    uint8_t *state;
    size_t state_len;
    bool running, net_own; /* net_own: the guest is on its own network */
    int net_fd;            /* what net_take gives out */
    unsigned gives;
    struct fake_fail fail;
};

static inline struct fake_vm *fake_vm(struct hv_vm *vm)
{
    return (struct fake_vm *)vm;
}

static inline int fake_stop(struct hv_vm *vm, int timeout_ms, struct err *err)
{
    (void)timeout_ms;
    hv_waiting(vm);
    if (fake_due(&fake_vm(vm)->fail, "stop", err))
        return -1;
    fake_vm(vm)->running = false;
    return 0;
}

static inline int fake_resume(struct hv_vm *vm, struct err *err)
{
    if (fake_due(&fake_vm(vm)->fail, "resume", err)) {
        fake_vm(vm)->running = errno == ECANCELED; /* by somebody else */
        return -1;
    }
    fake_vm(vm)->running = true;
    errno = 0; /* what went well may leave anything there */
    return 0;
}

static inline int fake_fetch_dirty(struct hv_vm *vm, struct bitmap *dirty, struct err *err)
{
    struct fake_vm *f = fake_vm(vm);
    if (fake_due(&f->fail, "fetch_dirty", err))
        return -1;
    bitmap_or(dirty, &f->log);
    bitmap_zero(&f->log);
    return 0;
}

/** A failure comes when half is copied. */
static inline int fake_copy(struct hv_vm *vm, const uint64_t *pfn, size_t n, void *dst,
                            struct err *err)
{
    struct fake_vm *f = fake_vm(vm);
    int rc = fake_due(&f->fail, "copy", err);
    size_t good = rc ? n / 2 : n;
    for (size_t i = 0; i < good; i++)
        memcpy((uint8_t *)dst + i * HV_PAGE_SIZE, f->mem + pfn[i] * HV_PAGE_SIZE, HV_PAGE_SIZE);
    return rc;
}

static inline int fake_save_state(struct hv_vm *vm, void *buf, size_t cap, size_t *ret_len,
                                  struct err *err)
{
    struct fake_vm *f = fake_vm(vm);
    if (fake_due(&f->fail, "save_state", err))
        return -1;
    assert_true(f->state_len <= cap);
    memcpy(buf, f->state, f->state_len);
    *ret_len = f->state_len;
    return 0;
}

static inline int fake_net_take(struct hv_vm *vm, int *ret_fd, struct err *err)
{
    if (fake_due(&fake_vm(vm)->fail, "net_take", err))
        return -1;
    *ret_fd = fake_vm(vm)->net_fd;
    fake_vm(vm)->net_own = false;
    return 0;
}

static inline int fake_net_give(struct hv_vm *vm, struct err *err)
{
    fake_vm(vm)->gives++;
    if (fake_due(&fake_vm(vm)->fail, "net_give", err))
        return -1;
    fake_vm(vm)->net_own = true;
    return 0;
}

static inline void fake_vm_init(struct fake_vm *f, uint64_t pages)
{
    static const struct hv_ops ops = {.name = "fake",
                                      .stop = fake_stop,
                                      .fetch_dirty = fake_fetch_dirty,
                                      .copy = fake_copy,
                                      .save_state = fake_save_state,
                                      .resume = fake_resume,
                                      .net_take = fake_net_take,
                                      .net_give = fake_net_give};
    *f = (struct fake_vm){.vm = {.ops = &ops, .logging = true},
                          .pages = pages,
                          .running = true,
                          .net_own = true,
                          .net_fd = -1,
                          .state_len = 5};
    f->mem = calloc(pages, HV_PAGE_SIZE);
    f->state = calloc(1, HV_STATE_MAX);
    assert_true(f->mem && f->state);
    assert_int_equal(bitmap_init(&f->log, pages), 0);
}

static inline void fake_vm_free(struct fake_vm *f)
{
    bitmap_free(&f->log);
    free(f->mem);
    free(f->state);
}

/** The guest dirties `len` octets of a page. */
static inline void fake_vm_write(struct fake_vm *f, uint64_t pfn, size_t at, uint8_t value,
                                 size_t len)
{
    assert_true(f->running);
    memset(f->mem + pfn * HV_PAGE_SIZE + at, value, len);
    bitmap_set(&f->log, pfn);
}

/* ---- a replica ---- */

struct fake_replica {
    struct hv_replica r;
    uint64_t pages;
    uint8_t *mem, *state;
    size_t state_len;
    uint64_t hole;           /* not in a file of it; 0: none */
    unsigned writes, states; /* calls */
    struct fake_fail fail;
};

static inline uint64_t fake_replica_pages(const struct hv_replica *r)
{
    return ((const struct fake_replica *)r)->pages;
}

static inline const void *fake_replica_page(struct hv_replica *r, uint64_t pfn)
{
    struct fake_replica *f = (struct fake_replica *)r;
    return pfn < f->pages ? f->mem + pfn * HV_PAGE_SIZE : NULL;
}

static inline int fake_replica_write(struct hv_replica *r, const uint64_t *pfn,
                                     const void *const *page, size_t n, struct err *err)
{
    struct fake_replica *f = (struct fake_replica *)r;
    f->writes++;
    if (fake_due(&f->fail, "write", err))
        return -1;
    for (size_t i = 0; i < n; i++) {
        assert_true(pfn[i] < f->pages);
        memcpy(f->mem + pfn[i] * HV_PAGE_SIZE, page[i], HV_PAGE_SIZE);
    }
    return 0;
}

static inline int fake_replica_set_state(struct hv_replica *r, const void *state, size_t len,
                                         struct err *err)
{
    struct fake_replica *f = (struct fake_replica *)r;
    f->states++;
    if (fake_due(&f->fail, "set_state", err))
        return -1;
    memcpy(f->state, state, len);
    f->state_len = len;
    return 0;
}

/** "H", {pfn, page}..., "T" and the state. */
static inline int fake_file_part(struct hv_replica *r, enum hv_file_part part, const uint64_t *pfn,
                                 size_t n, void *buf, size_t cap, size_t *ret_len, struct err *err)
{
    struct fake_replica *f = (struct fake_replica *)r;
    uint8_t *at = buf;

    assert_true(cap >= HV_FILE_MAX);
    if (fake_due(&f->fail, "file_part", err))
        return -1;
    if (part != HV_FILE_MEMORY)
        *at++ = part == HV_FILE_HEAD ? 'H' : 'T';
    for (size_t i = 0; i < n; i++) {
        const uint8_t *page = f->mem + pfn[i] * HV_PAGE_SIZE;
        if (f->hole && pfn[i] == f->hole)
            continue;
        memcpy(at, &pfn[i], sizeof(pfn[i]));
        memcpy(at + sizeof(pfn[i]), page, HV_PAGE_SIZE);
        at += sizeof(pfn[i]) + HV_PAGE_SIZE;
    }
    if (part == HV_FILE_TAIL) {
        memcpy(at, f->state, f->state_len);
        at += f->state_len;
    }
    *ret_len = (size_t)(at - (uint8_t *)buf);
    return 0;
}

static inline void fake_replica_init(struct fake_replica *f, uint64_t pages)
{
    static const struct hv_ops ops = {.name = "fake",
                                      .replica_pages = fake_replica_pages,
                                      .replica_memory = fake_replica_pages,
                                      .replica_page = fake_replica_page,
                                      .replica_write = fake_replica_write,
                                      .replica_set_state = fake_replica_set_state,
                                      .file_part = fake_file_part};
    *f = (struct fake_replica){.r = {.ops = &ops}, .pages = pages};
    f->mem = calloc(pages, HV_PAGE_SIZE);
    f->state = calloc(1, HV_STATE_MAX);
    assert_true(f->mem && f->state);
}

static inline void fake_replica_free(struct fake_replica *f)
{
    free(f->mem);
    free(f->state);
}

#endif
