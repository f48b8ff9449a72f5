/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bare_pause DOMID COUNT INTERVAL_MS: what stopping a guest costs at the very least, without its
 * help and without a copy of any page: pause, reset of the dirty log, reading the CPUs' state,
 * going on. A state taken like this cannot be resumed elsewhere. One line for each, in
 * microseconds: pause=N stop=N log=N state=N resume=N pages=N
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xenctrl.h>

struct target {
    xc_interface *xch;
    uint32_t domid;
    xc_hypercall_buffer_t log;
    xen_pfn_t pages;
    uint8_t *state;
    int state_size;
};

static int failed(const char *what)
{
    fprintf(stderr, "bare_pause: %s: %s\n", what, strerror(errno));
    return 1;
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int control_log(const struct target *t, unsigned op)
{
    return xc_shadow_control(t->xch, t->domid, op, NULL, 0);
}

static int open_target(struct target *t)
{
    DECLARE_HYPERCALL_BUFFER(unsigned long, bits);

    t->xch = xc_interface_open(NULL, NULL, 0);
    if (!t->xch || xc_domain_maximum_gpfn(t->xch, t->domid, &t->pages))
        return -1;
    t->pages++;
    bits = xc_hypercall_buffer_alloc_pages(t->xch, bits, (int)(t->pages / 8 / XC_PAGE_SIZE + 1));
    t->log = *HYPERCALL_BUFFER(bits);
    t->state_size = xc_domain_hvm_getcontext(t->xch, t->domid, NULL, 0);
    t->state = t->state_size > 0 ? malloc((size_t)t->state_size) : NULL;
    if (!bits || !t->state)
        return -1;
    (void)control_log(t, XEN_DOMCTL_SHADOW_OP_OFF);
    return control_log(t, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
}

static int pause_once(struct target *t)
{
    xc_shadow_op_stats_t stats = {0};
    double begin = now_us(), stopped, logged, state, end;

    if (xc_domain_pause(t->xch, t->domid))
        return failed("pause");
    stopped = now_us();
    int rc = xc_logdirty_control(t->xch, t->domid, XEN_DOMCTL_SHADOW_OP_CLEAN, &t->log, t->pages,
                                 XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL, &stats) < 0;
    logged = now_us();
    rc |= xc_domain_hvm_getcontext(t->xch, t->domid, t->state, (uint32_t)t->state_size) < 0;
    state = now_us();
    if (xc_domain_unpause(t->xch, t->domid) || rc)
        return failed("dirty log, state or unpause");
    end = now_us();
    printf("pause=%.0f stop=%.0f log=%.0f state=%.0f resume=%.0f pages=%u\n", end - begin,
           stopped - begin, logged - stopped, state - logged, end - state, stats.dirty_count);
    return 0;
}

int main(int argc, char **argv)
{
    struct target t = {0};
    int rc = 0;

    if (argc != 4)
        return 2;
    t.domid = (uint32_t)atoi(argv[1]);
    long interval_ms = atol(argv[3]);
    struct timespec rest = {.tv_sec = interval_ms / 1000, .tv_nsec = interval_ms % 1000 * 1000000};
    if (open_target(&t))
        return failed("this domain cannot be had");
    for (int left = atoi(argv[2]); left > 0 && rc == 0; left--) {
        nanosleep(&rest, NULL);
        rc = pause_once(&t);
    }
    control_log(&t, XEN_DOMCTL_SHADOW_OP_OFF);
    return rc;
}
