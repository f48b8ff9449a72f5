/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * suspender MODE DOMID [COUNT] [plain|fast]: asks a guest's suspend driver as an engine would, or
 * worse than one would.
 *   run      COUNT checkpoints as fast as it goes: ask, await, clear the dirty log, read the CPUs'
 *            state, resume; prints medians in microseconds
 *   hangup   COUNT times: ask, and close the channel at once
 *   storm    COUNT times: ask without waiting for anything; what suspends meanwhile is resumed
 *   leave    asks, awaits, and ends, leaving the guest suspended
 *   resume   resumes what was left
 * Exits with 1 when the guest does not do what it should, 2 for any other trouble.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenguest.h>
#include <xenstore.h>

enum { LIMIT_MS = 20000, LOOK_MS = 100 };

struct suspender {
    uint32_t domid;
    xc_interface *xch;
    xenevtchn_handle *xce;
    int guest_port, port, lock_fd;
    bool plain;
    int context_size;
    uint8_t *context;
    xc_hypercall_buffer_t log;
    unsigned long pages;
};

struct samples {
    int64_t *wait, *whole; /* microseconds, one of each a checkpoint */
    uint64_t dirty;        /* pages, of all */
};

__attribute__((noreturn, format(printf, 2, 3))) static void die(int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " (errno: %s)\n", strerror(errno));
    exit(code);
}

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int published_port(uint32_t domid)
{
    struct xs_handle *xs = xs_open(0);
    char path[80];
    unsigned len;

    snprintf(path, sizeof(path), "/local/domain/%u/device/suspend/event-channel", domid);
    char *text = xs ? xs_read(xs, XBT_NULL, path, &len) : NULL;
    int port = text ? atoi(text) : 0;
    free(text);
    xs_close(xs);
    return port;
}

static void connect_channel(struct suspender *s)
{
    s->lock_fd = -1;
    s->guest_port = published_port(s->domid);
    if (s->guest_port <= 0)
        die(1, "domain %u publishes no port", s->domid);
    s->port =
        xc_suspend_evtchn_init_exclusive(s->xch, s->xce, s->domid, s->guest_port, &s->lock_fd);
    if (s->port < 0)
        die(1, "port %d of domain %u cannot be had", s->guest_port, s->domid);
    xenevtchn_unmask(s->xce, (evtchn_port_t)s->port);
}

static void disconnect_channel(struct suspender *s)
{
    xc_domain_subscribe_for_suspend(s->xch, s->domid, 0);
    xc_suspend_evtchn_release(s->xch, s->xce, s->domid, s->port, &s->lock_fd);
}

static bool is_suspended(const struct suspender *s)
{
    xc_domaininfo_t info;

    if (xc_domain_getinfolist(s->xch, s->domid, 1, &info) != 1 || info.domain != s->domid)
        die(2, "domain %u is gone", s->domid);
    return info.flags & XEN_DOMINF_shutdown;
}

static void take_events(struct suspender *s, int ms)
{
    struct pollfd p = {.fd = xenevtchn_fd(s->xce), .events = POLLIN};

    if (poll(&p, 1, ms) != 1)
        return;
    int port = xenevtchn_pending(s->xce);
    if (port >= 0)
        xenevtchn_unmask(s->xce, (evtchn_port_t)port);
}

static void ask(const struct suspender *s)
{
    if (xenevtchn_notify(s->xce, (evtchn_port_t)s->port))
        die(2, "notify");
}

static bool await(struct suspender *s, int limit_ms)
{
    int64_t end = now_us() + limit_ms * INT64_C(1000);

    while (!is_suspended(s)) {
        if (now_us() > end)
            return false;
        take_events(s, LOOK_MS);
    }
    return true;
}

static void resume(const struct suspender *s)
{
    if (xc_domain_resume(s->xch, s->domid, !s->plain))
        die(2, "resume");
}

static void copy_state(struct suspender *s, struct samples *all)
{
    DECLARE_HYPERCALL_BUFFER_SHADOW(unsigned long, bits, &s->log);
    xc_shadow_op_stats_t stats = {0};

    (void)bits;
    if (xc_logdirty_control(s->xch, s->domid, XEN_DOMCTL_SHADOW_OP_CLEAN, HYPERCALL_BUFFER(bits),
                            s->pages, 0, &stats) < 0)
        die(2, "dirty log");
    all->dirty += stats.dirty_count;
    if (xc_domain_hvm_getcontext(s->xch, s->domid, s->context, (uint32_t)s->context_size) < 0)
        die(2, "CPU state");
}

static void prepare_copies(struct suspender *s)
{
    DECLARE_HYPERCALL_BUFFER_SHADOW(unsigned long, bits, &s->log);
    xen_pfn_t last;

    if (xc_domain_maximum_gpfn(s->xch, s->domid, &last))
        die(2, "size of domain %u", s->domid);
    s->pages = last + 1;
    bits = xc_hypercall_buffer_alloc_pages(s->xch, bits, (int)(s->pages / 8 / XC_PAGE_SIZE + 1));
    s->context_size = xc_domain_hvm_getcontext(s->xch, s->domid, NULL, 0);
    s->context = s->context_size > 0 ? malloc((size_t)s->context_size) : NULL;
    if (!bits || !s->context)
        die(2, "buffers");
    if (xc_shadow_control(s->xch, s->domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0) < 0)
        die(2, "dirty log");
}

static void checkpoint(struct suspender *s, struct samples *all, long number)
{
    int64_t begun = now_us();

    ask(s);
    if (!await(s, LIMIT_MS))
        die(1, "checkpoint %ld: not suspended within %d ms", number, LIMIT_MS);
    all->wait[number] = now_us() - begun;
    copy_state(s, all);
    resume(s);
    all->whole[number] = now_us() - begun;
    take_events(s, 0);
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

static void run(struct suspender *s, long count)
{
    struct samples all = {.wait = calloc((size_t)count, sizeof(int64_t)),
                          .whole = calloc((size_t)count, sizeof(int64_t))};
    int64_t begun = now_us();

    if (!all.wait || !all.whole)
        die(2, "memory");
    connect_channel(s);
    prepare_copies(s);
    for (long i = 0; i < count; i++)
        checkpoint(s, &all, i);
    xc_shadow_control(s->xch, s->domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
    disconnect_channel(s);
    report(&all, count, now_us() - begun);
    free(all.wait);
    free(all.whole);
}

/* The guest may have been quicker than the closing. */
static void hangup(struct suspender *s, long count)
{
    long suspended = 0;

    for (long i = 0; i < count; i++) {
        connect_channel(s);
        ask(s);
        disconnect_channel(s);
        if (await(s, LOOK_MS)) {
            suspended++;
            resume(s);
        }
    }
    printf("hangups=%ld suspended=%ld\n", count, suspended);
}

static void storm(struct suspender *s, long count)
{
    long suspended = 0;

    connect_channel(s);
    for (long i = 0; i < count; i++) {
        ask(s);
        take_events(s, i % 16 == 0); /* now and then the guest is to have the CPU */
        if (i % 16 == 0 && is_suspended(s)) {
            suspended++;
            resume(s);
        }
    }
    disconnect_channel(s);
    while (await(s, LOOK_MS)) {
        suspended++;
        resume(s);
    }
    printf("events=%ld suspended=%ld\n", count, suspended);
}

static void leave(struct suspender *s)
{
    connect_channel(s);
    ask(s);
    if (!await(s, LIMIT_MS))
        die(1, "not suspended within %d ms", LIMIT_MS);
}

static void take_up(struct suspender *s)
{
    xc_domain_subscribe_for_suspend(s->xch, s->domid, 0);
    if (!is_suspended(s))
        die(1, "domain %u is not suspended", s->domid);
    resume(s);
}

static void obey(struct suspender *s, const char *mode, long count)
{
    if (strcmp(mode, "run") == 0)
        run(s, count);
    else if (strcmp(mode, "hangup") == 0)
        hangup(s, count);
    else if (strcmp(mode, "storm") == 0)
        storm(s, count);
    else if (strcmp(mode, "leave") == 0)
        leave(s);
    else if (strcmp(mode, "resume") == 0)
        take_up(s);
    else
        die(2, "no mode %s", mode);
}

int main(int argc, char **argv)
{
    struct suspender s = {.plain = argc < 5 || strcmp(argv[4], "fast") != 0};
    long count = argc > 3 ? atol(argv[3]) : 1;

    if (argc < 3 || count < 1)
        die(2, "usage: suspender MODE DOMID [COUNT] [plain|fast]");
    s.domid = (uint32_t)atoi(argv[2]);
    s.xch = xc_interface_open(NULL, NULL, 0);
    s.xce = xenevtchn_open(NULL, 0);
    if (!s.xch || !s.xce)
        die(2, "Xen");
    obey(&s, argv[1], count);
    return 0;
}
