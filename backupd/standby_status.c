/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/standby.h"

#include <unistd.h>

#define STATUS_MS 200
#define MIB       (1024LL * 1024)

static const char *state_name(const struct standby *s)
{
    static const char *const names[] = {
        [STANDBY_WAITING] = "waiting", [STANDBY_RECEIVING] = "receiving",
        [STANDBY_READY] = "standby",   [STANDBY_SUSPECT] = "suspect",
        [STANDBY_ACTIVE] = "active",   [STANDBY_ACTIVATING] = "activating",
        [STANDBY_FAILED] = "failed",   [STANDBY_UNSURE] = "activating",
    };
    if (s->phase == STANDBY_WAITING && s->rec.state == VM_RELEASED)
        return "released";
    return names[s->phase];
}

static double epoch_rate(struct standby *s)
{
    struct mono now = mono_now();
    int64_t span = mono_sub(now, s->rate_at);
    if (span < NS_PER_S)
        return s->rate;
    s->rate = (double)(s->seals - s->rate_seals) * NS_PER_S / (double)span;
    s->rate_seals = s->seals;
    s->rate_at = now;
    return s->rate;
}

static void put_int(json_t *o, const char *key, int64_t value)
{
    json_object_set_new(o, key, json_integer(value));
}

static void put_memory(json_t *o, const struct standby *s)
{
    size_t staging = s->store_open ? staging_bytes(&s->store.staging) : 0;
    int64_t replica = s->replica ? (int64_t)hv_replica_memory(s->replica) * HV_PAGE_SIZE : 0;

    put_int(o, "memory_bytes", replica + (int64_t)staging + (int64_t)s->held.bytes);
    put_int(o, "memory_limit_bytes", replica + (s->conf->staging_mb + s->conf->held_mb) * MIB);
    put_int(o, "staging_bytes", (int64_t)staging);
    put_int(o, "held_frames", (int64_t)s->held.frames);
    put_int(o, "held_bytes", (int64_t)s->held.bytes);
    put_int(o, "dropped_frames", (int64_t)(s->held.dropped + s->out_dropped + s->in_dropped));
    put_int(o, "frames_out", (int64_t)s->frames_out);
    put_int(o, "frames_in", (int64_t)s->frames_in);
}

static void put_watch(json_t *o, const struct standby *s)
{
    struct mono now = mono_now();
    bool watching = s->phase == STANDBY_READY || s->phase == STANDBY_SUSPECT;

    json_object_set_new(o, "heard_ms",
                        watching ? json_integer(mono_sub(now, s->detector.last) / NS_PER_MS)
                                 : json_null());
    put_int(o, "detector_timeout_ms", detector_timeout(&s->detector) / NS_PER_MS);
    struct mono at = lease_granted_free_at(&s->granted, s->conf->lease_margin_ms * NS_PER_MS);
    at = mono_max(at, detector_deadline(&s->detector));
    json_object_set_new(o, "activation_in_ms",
                        standby_can_activate(s) && watching
                            ? json_integer(mono_sub(at, now) / NS_PER_MS)
                            : json_null());
}

void standby_status_send(struct standby *s)
{
    static const char *const hold[] = {"backup", "primary", "none"};
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:s, s:s, s:b, s:o, s:I, s:I}", "role",
                  "backup", "uuid", s->child.uuid_text, "name", s->child.name, "backend",
                  s->conf->backend, "peer", s->peer, "generation", (json_int_t)s->rec.generation,
                  "pid", (int)getpid(), "hold", hold[s->hold], "state", state_name(s), "protected",
                  standby_can_activate(s) ? 1 : 0, "degraded", child_degraded_json(&s->child),
                  "epoch", (json_int_t)s->sealed_epoch, "epochs_sealed", (json_int_t)s->seals);
    if (!o)
        return;
    json_object_set_new(o, "epoch_age_ms",
                        s->sealed_epoch
                            ? json_integer(mono_sub(mono_now(), s->sealed_at) / NS_PER_MS)
                            : json_null());
    json_object_set_new(o, "epochs_per_s", json_real(epoch_rate(s)));
    put_memory(o, s);
    json_object_set_new(o, "export", standby_export_json(s));
    put_watch(o, s);
    child_status(&s->child, o);
}

static void on_status(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    standby_status_send(arg);
}

int standby_status_init(struct standby *s)
{
    struct timeval tv = mono_span_tv(STATUS_MS * NS_PER_MS);
    s->rate_at = mono_now();
    s->status_ev = event_new(s->child.base, -1, EV_PERSIST, on_status, s);
    return s->status_ev && event_add(s->status_ev, &tv) == 0 ? 0 : -1;
}
