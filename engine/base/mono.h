/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_MONO_H
#define REMUS_MONO_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/**
 * A point on CLOCK_BOOTTIME, which goes on while the host is suspended: a lease must not be
 * valid again after a night in suspend. A struct, so that a point and a span (plain int64_t
 * nanoseconds) cannot be mixed up. Wall clock never drives a timer or a lease here.
 */
struct mono {
    int64_t ns;
};

#define NS_PER_MS 1000000LL
#define NS_PER_US 1000LL
#define NS_PER_S  1000000000LL

static inline struct mono mono_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (struct mono){(int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec};
}

/** A point that is `ns` nanoseconds after `t`. */
static inline struct mono mono_add(struct mono t, int64_t ns)
{
    return (struct mono){t.ns + ns};
}

/** Nanoseconds from `b` to `a`: positive when `a` is later. */
static inline int64_t mono_sub(struct mono a, struct mono b)
{
    return a.ns - b.ns;
}

static inline bool mono_before(struct mono a, struct mono b)
{
    return a.ns < b.ns;
}

static inline struct mono mono_max(struct mono a, struct mono b)
{
    return a.ns > b.ns ? a : b;
}

static inline struct timeval mono_span_tv(int64_t ns)
{
    if (ns < 0)
        ns = 0;
    return (struct timeval){.tv_sec = ns / NS_PER_S, .tv_usec = ns % NS_PER_S / NS_PER_US};
}

#endif
