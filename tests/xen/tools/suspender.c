/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * suspender DOMID COUNT plain|fast REST_MS [unlogged]: COUNT checkpoints of a guest by its suspend
 * driver: ask, await, clear the dirty log, read the CPUs' state, resume, let the guest run for
 * REST_MS. unlogged: without a dirty log, whose faults take an emulated CPU most of its time.
 * SIGTERM ends it early. Prints medians in microseconds. Exits with 1 when the guest does not do
 * what it should, 2 for any other trouble.
 */
#include <signal.h>
#include <unistd.h>

#include "tests/xen/tools/suspend_channel.h"

struct copy {
    int context_size;
    uint8_t *context;
    xc_hypercall_buffer_t log;
    unsigned long pages;
};

struct samples {
    int64_t *wait, *whole; /* microseconds, one of each a checkpoint */
    uint64_t dirty;        /* pages, of all */
};

static volatile sig_atomic_t ended;
static useconds_t rest_us;
static bool logged;

static void end(int number)
{
    (void)number;
    ended = 1;
}

static void clear_log(const struct channel *c, struct copy *to, struct samples *all)
{
    DECLARE_HYPERCALL_BUFFER_SHADOW(unsigned long, bits, &to->log);
    xc_shadow_op_stats_t stats = {0};

    if (!logged)
        return;
    (void)bits;
    if (xc_logdirty_control(c->xch, c->domid, XEN_DOMCTL_SHADOW_OP_CLEAN, HYPERCALL_BUFFER(bits),
                            to->pages, 0, &stats) < 0)
        die(2, "dirty log");
    all->dirty += stats.dirty_count;
}

static void copy_state(const struct channel *c, struct copy *to, struct samples *all)
{
    clear_log(c, to, all);
    if (xc_domain_hvm_getcontext(c->xch, c->domid, to->context, (uint32_t)to->context_size) < 0)
        die(2, "CPU state");
}

static void prepare_copies(const struct channel *c, struct copy *to)
{
    DECLARE_HYPERCALL_BUFFER_SHADOW(unsigned long, bits, &to->log);
    xen_pfn_t last;

    if (xc_domain_maximum_gpfn(c->xch, c->domid, &last))
        die(2, "size of domain %u", c->domid);
    to->pages = last + 1;
    bits = xc_hypercall_buffer_alloc_pages(c->xch, bits, (int)(to->pages / 8 / XC_PAGE_SIZE + 1));
    to->context_size = xc_domain_hvm_getcontext(c->xch, c->domid, NULL, 0);
    to->context = to->context_size > 0 ? malloc((size_t)to->context_size) : NULL;
    if (!bits || !to->context)
        die(2, "buffers");
    /* One that was killed has left it on. */
    (void)xc_shadow_control(c->xch, c->domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
    if (logged &&
        xc_shadow_control(c->xch, c->domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0) < 0)
        die(2, "dirty log");
}

/** False: the guest was not suspended. */
static bool checkpoint(struct channel *c, struct copy *to, struct samples *all, long number)
{
    int64_t begun = now_us(), limit = begun + LIMIT_MS * INT64_C(1000);

    ask(c);
    while (!await(c, LOOK_MS))
        if (channel_hung_up(c) || now_us() > limit)
            return false;
    all->wait[number] = now_us() - begun;
    copy_state(c, to, all);
    resume(c);
    all->whole[number] = now_us() - begun;
    take_events(c, 0);
    return true;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void report(const struct samples *all, long count, int64_t us)
{
    size_t n = (size_t)count;

    qsort(all->wait, n, sizeof(*all->wait), compare);
    qsort(all->whole, n, sizeof(*all->whole), compare);
    printf("checkpoints=%ld seconds=%.1f wait_us=%ld wait_max_us=%ld whole_us=%ld "
           "whole_max_us=%ld dirty=%ld\n",
           count, (double)us / 1e6, all->wait[n / 2], all->wait[n - 1], all->whole[n / 2],
           all->whole[n - 1], (long)all->dirty / count);
}

/** How many came about. */
static long run(struct channel *c, long count, struct samples *all)
{
    struct copy to = {0};
    long done = 0;

    channel_connect(c);
    prepare_copies(c, &to);
    while (done < count && !ended && checkpoint(c, &to, all, done)) {
        done++;
        usleep(rest_us);
    }
    if (done < count && !ended)
        fprintf(stderr, "checkpoint %ld: %s\n", done,
                channel_hung_up(c) ? "the guest has closed the channel" : "not suspended in time");
    xc_shadow_control(c->xch, c->domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
    channel_disconnect(c);
    resume_late(c);
    return done;
}

int main(int argc, char **argv)
{
    struct sigaction act = {.sa_handler = end};
    struct channel c;
    long count = argc > 2 ? atol(argv[2]) : 0;

    logged = argc == 5;
    if (count < 1 || !(logged || (argc == 6 && strcmp(argv[5], "unlogged") == 0)))
        die(2, "usage: suspender DOMID COUNT plain|fast REST_MS [unlogged]");
    struct samples all = {.wait = calloc((size_t)count, sizeof(int64_t)),
                          .whole = calloc((size_t)count, sizeof(int64_t))};
    if (!all.wait || !all.whole || sigaction(SIGTERM, &act, NULL))
        die(2, "memory or signals");
    rest_us = (useconds_t)atol(argv[4]) * 1000;
    channel_init(&c, argv[1], strcmp(argv[3], "plain") == 0);
    int64_t begun = now_us();
    long done = run(&c, count, &all);
    if (done > 0)
        report(&all, done, now_us() - begun);
    free(all.wait);
    free(all.whole);
    return done < count && !ended;
}
