/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/xen/xen_vm.h"

/*
 * A driver that does not do what it is asked costs epochs, its guest's kernel only makes them long:
 * so it is given up. Its host may just have been busy for a while: so it is tried again.
 */

/* Requests in a row: more than a busy host makes it fail. */
#define FAILURES_MAX 5
/* Of one request that is not answered: stops, and time. A driver that works answers, if only by a
 * refusal, within a second or little more. */
#define MISSES_MAX 5
#define SILENT_MS  3000
/* Pauses before it is tried again: each is twice the one before, unless it had done well for long.
 */
#define FIRST_PAUSE_S 30
#define LAST_PAUSE_S  600

static bool since_ms(struct mono start, int64_t ms)
{
    return mono_sub(mono_now(), start) >= ms * NS_PER_MS;
}

const struct hv_suspend_now *xen_suspend_now(struct hv_vm *vm)
{
    const struct xen_suspend *s = &xen_vm_of(vm)->suspend;

    return s->trust.on_trial ? &s->before : &s->now;
}

void xen_suspend_driver_asked(struct xen_vm *v)
{
    v->suspend.trust.asked = mono_now();
    v->suspend.trust.missed = 0;
}

void xen_suspend_driver_obeyed(struct xen_vm *v)
{
    v->suspend.trust.failures = 0;
    v->suspend.trust.on_trial = false;
}

static int64_t next_pause(const struct xen_trust *t)
{
    if (t->pause_s == 0 || since_ms(t->since, LAST_PAUSE_S * 1000))
        return FIRST_PAUSE_S;
    return t->pause_s * 2 < LAST_PAUSE_S ? t->pause_s * 2 : LAST_PAUSE_S;
}

static void give_up(struct xen_vm *v)
{
    struct xen_trust *t = &v->suspend.trust;
    int64_t pause_s = next_pause(t);

    xen_suspend_use_kernel(v, true,
                           "the guest's driver did not suspend it several times in a row; it is "
                           "tried again now and then");
    *t = (struct xen_trust){
        .given_up = true, .pause_s = pause_s, .again = mono_add(mono_now(), pause_s * NS_PER_S)};
}

void xen_suspend_driver_failed(struct xen_vm *v)
{
    struct xen_trust *t = &v->suspend.trust;

    if (v->suspend.paused) { /* it could not answer */
        xen_suspend_driver_asked(v);
        return;
    }
    t->failures += t->missed == 0;
    t->missed++;
    if (t->on_trial || t->failures >= FAILURES_MAX ||
        (t->missed >= MISSES_MAX && since_ms(t->asked, SILENT_MS)))
        give_up(v);
}

void xen_suspend_try_again(struct xen_vm *v)
{
    struct xen_suspend *s = &v->suspend;
    int64_t pause_s = s->trust.pause_s;

    if (!s->trust.given_up || mono_before(mono_now(), s->trust.again))
        return;
    s->before = s->now;
    xen_suspend_review(v);
    s->trust.pause_s = pause_s;
    s->trust.on_trial = s->now.driver;
}
