/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/primary.h"

#include <unistd.h>

#include "proto/page.h"

#define STATUS_MS 200
/* Without one for so long the event loop waits for something. */
#define STATUS_LATE_MS (2 * STATUS_MS)

bool primary_is_protected(const struct primary *p)
{
    return p->phase == PRIMARY_RUNNING && p->sealed > 0 && p->in_place == 0 && !p->unfit &&
           lease_held_valid(&p->lease, mono_now()) && p->lease.in_force;
}

static const char *state_name(const struct primary *p)
{
    if (p->phase == PRIMARY_ENDED)
        return "stopped";
    if (p->holds & HOLD_LEASE)
        return "blocked";
    if (p->goal == GOAL_FAILOVER || p->goal == GOAL_VM_LOST)
        return "failing-over";
    if (p->phase == PRIMARY_LEAVING)
        return "unprotected";
    if (primary_is_protected(p))
        return "protected";
    if (p->unfit || p->no_log)
        return "unprotected";
    if (p->phase == PRIMARY_SYNCING || p->phase == PRIMARY_RUNNING)
        return "syncing";
    return "connecting";
}

static json_t *hist_json(const struct hist *h)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "last", (json_int_t)h->last, "p50",
                     (json_int_t)hist_percentile(h, 50), "p99", (json_int_t)hist_percentile(h, 99),
                     "max", (json_int_t)h->max);
}

static void put_int(json_t *o, const char *key, uint64_t value)
{
    json_object_set_new(o, key, json_integer((json_int_t)value));
}

/** Epochs per second since the last time this was asked, over at least a second. */
static double epoch_rate(struct primary *p)
{
    struct mono now = mono_now();
    int64_t span = mono_sub(now, p->rate_at);
    if (span < NS_PER_S)
        return p->rate;
    p->rate = (double)(p->seals - p->rate_seals) * NS_PER_S / (double)span;
    p->rate_seals = p->seals;
    p->rate_at = now;
    return p->rate;
}

static void put_pause(json_t *o, const struct capture *c)
{
    json_object_set_new(o, "pause_us", hist_json(&c->pause_us));
    json_object_set_new(o, "handshake_us", hist_json(&c->handshake_us));
    json_object_set_new(o, "own_us", hist_json(&c->own_us));
    json_object_set_new(o, "fetch_us", hist_json(&c->fetch_us));
    json_object_set_new(o, "copy_us", hist_json(&c->copy_us));
    json_object_set_new(o, "state_us", hist_json(&c->state_us));
    json_object_set_new(o, "resume_us", hist_json(&c->resume_us));
}

static void put_epochs(json_t *o, struct primary *p)
{
    put_int(o, "epoch", p->sealed);
    json_object_set_new(o, "epoch_age_ms",
                        p->sealed ? json_integer(mono_sub(mono_now(), p->sealed_at) / NS_PER_MS)
                                  : json_null());
    put_int(o, "epoch_ms", (uint64_t)p->rec.epoch_ms);
    json_object_set_new(o, "epochs_per_s", json_real(epoch_rate(p)));
    json_object_set_new(o, "epochs_per_s_asked", json_real(1000.0 / (double)p->rec.epoch_ms));
    put_int(o, "inflight", p->window.count);
    put_int(o, "missed_deadlines", p->missed);
    put_int(o, "epochs_sealed", p->seals);
    put_pause(o, &p->capture);
    json_object_set_new(o, "dirty_pages", hist_json(&p->capture.dirty_pages));
    json_object_set_new(o, "ack_us", hist_json(&p->ack_us));
}

static void put_bytes(json_t *o, const struct primary *p)
{
    uint64_t sent = p->bytes_before + (p->link ? link_bytes_sent(p->link) : 0);
    const uint64_t *c = p->sender.coding + 1;

    put_int(o, "bytes_sent", sent);
    put_int(o, "bytes_content", p->sender.bytes_content);
    json_object_set_new(o, "ratio",
                        json_real(sent ? (double)p->sender.bytes_content / (double)sent : 0));
    json_object_set_new(o, "coding",
                        json_pack("{s:I, s:I, s:I, s:I, s:I}", "unchanged",
                                  (json_int_t)c[PAGE_UNCHANGED], "zero", (json_int_t)c[PAGE_ZERO],
                                  "raw", (json_int_t)c[PAGE_RAW], "lz4", (json_int_t)c[PAGE_LZ4],
                                  "delta", (json_int_t)c[PAGE_DELTA]));
}

static void put_output(json_t *o, const struct primary *p)
{
    put_int(o, "held_frames", p->output.held.frames);
    put_int(o, "held_bytes", p->output.held.bytes);
    put_int(o, "dropped_frames",
            p->output.held.dropped + p->output.out_dropped + p->output.in_dropped);
    json_object_set_new(o, "lease_left_ms",
                        p->lease.in_force
                            ? json_integer(mono_sub(p->lease.expires, mono_now()) / NS_PER_MS)
                            : json_null());
    put_int(o, "detector_timeout_ms", (uint64_t)(detector_timeout(&p->detector) / NS_PER_MS));
}

void primary_status_send(struct primary *p)
{
    p->status_at = mono_now();
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:s, s:s, s:b, s:o, s:o, s:o}", "role", "primary",
        "uuid", p->child.uuid_text, "name", p->child.name, "backend", p->conf->backend, "peer",
        p->rec.peer, "generation", (json_int_t)p->rec.generation, "pid", (int)getpid(), "hold",
        remusd_hold_names[p->rec.hold], "state", state_name(p), "protected",
        primary_is_protected(p) ? 1 : 0, "degraded", child_degraded_json(&p->child), "sync",
        primary_sync_status(p), "suspend", primary_suspend_status(p));
    if (!o)
        return;
    put_epochs(o, p);
    put_bytes(o, p);
    put_output(o, p);
    child_status(&p->child, o);
}

void primary_status_waiting(struct primary *p)
{
    if (mono_sub(mono_now(), p->status_at) >= STATUS_LATE_MS * NS_PER_MS)
        primary_status_send(p);
}

static void on_status(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    primary_status_send(arg);
}

int primary_status_init(struct primary *p)
{
    struct timeval tv = mono_span_tv(STATUS_MS * NS_PER_MS);
    p->rate_at = mono_now();
    p->status_ev = event_new(p->child.base, -1, EV_PERSIST, on_status, p);
    return p->status_ev && event_add(p->status_ev, &tv) == 0 ? 0 : -1;
}
