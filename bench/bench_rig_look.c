/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench_rig.h"

#include <math.h>
#include <string.h>

#define LOOK_MS 1000
#define POLL_MS 10

static double now_s(void)
{
    return (double)mono_now().ns / NS_PER_S;
}

double rig_number(const json_t *object, const char *key, const char *inner)
{
    json_t *value = json_object_get(object, key);

    if (inner)
        value = json_object_get(value, inner);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

int rig_look(struct rig *r, enum rig_side side, const struct rig_vm *vm, struct rig_look *ret,
             struct err *err)
{
    json_t *reply =
        rig_call(r, side, json_pack("{s:s, s:s}", "cmd", "status", "vm", vm->uuid), err);
    json_t *status = json_array_get(json_object_get(reply, "vms"), 0);
    double age = rig_number(status, "age_ms", NULL);

    *ret = (struct rig_look){json_incref(status), now_s() - (isnan(age) ? 0 : age / 1000)};
    json_decref(reply);
    if (reply && !status)
        return err_set(err, "", "no status of %s", vm->uuid);
    return reply ? 0 : -1;
}

static bool is_in(const json_t *status, const char *state)
{
    const char *is = json_string_value(json_object_get(status, "state"));

    return is && strcmp(is, state) == 0;
}

int rig_await(struct rig *r, enum rig_side side, const struct rig_vm *vm, const char *state,
              int timeout_ms, struct err *err)
{
    struct mono until = mono_add(mono_now(), timeout_ms * NS_PER_MS);
    struct rig_look look;

    while (mono_before(mono_now(), until)) {
        if (rig_look(r, side, vm, &look, err) < 0)
            return -1;
        bool there = is_in(look.status, state);
        json_decref(look.status);
        if (there)
            return 0;
        if (proc_sleep_ms(POLL_MS) < 0)
            return err_errno(err, "", "waiting for '%s'", state);
    }
    return err_set(err, "", "the VM is not '%s' after %d ms", state, timeout_ms);
}

int64_t rig_event(struct rig *r, enum rig_side side, const struct rig_vm *vm, const char *event)
{
    struct err err;
    json_t *reply = rig_call(r, side, json_pack("{s:s}", "cmd", "events"), &err), *e;
    int64_t at = 0;
    size_t i;

    json_array_foreach(json_object_get(reply, "events"), i, e)
    {
        const char *name = json_string_value(json_object_get(e, "event"));
        const char *uuid = json_string_value(json_object_get(e, "uuid"));
        if (name && uuid && strcmp(name, event) == 0 && strcmp(uuid, vm->uuid) == 0)
            at = json_integer_value(json_object_get(e, "mono_ns"));
    }
    json_decref(reply);
    return at;
}

static double rate(const struct rig_look *from, const struct rig_look *to, const char *key)
{
    return (rig_number(to->status, key, NULL) - rig_number(from->status, key, NULL)) /
           (to->at_s - from->at_s);
}

static int sleep_and_look(struct rig *r, const struct rig_vm *vm, int ms, struct rig_look *ret,
                          struct err *err)
{
    if (proc_sleep_ms(ms) < 0)
        return err_errno(err, "", "watching the VM");
    return rig_look(r, RIG_A, vm, ret, err);
}

int rig_watch(struct rig *r, const struct rig_vm *vm, int ms, struct rig_watch *ret,
              struct err *err)
{
    int step = ms < LOOK_MS ? ms : LOOK_MS;

    *ret = (struct rig_watch){0};
    if (rig_look(r, RIG_A, vm, &ret->first, err) < 0)
        return -1;
    struct rig_look before = {json_incref(ret->first.status), ret->first.at_s};
    for (int gone = 0; gone < ms; gone += step) {
        if (sleep_and_look(r, vm, step, &ret->last, err) < 0) {
            json_decref(before.status);
            ret->last.status = NULL;
            rig_watch_free(ret);
            return -1;
        }
        spread_add(&ret->epochs_per_s, rate(&before, &ret->last, "epochs_sealed"));
        json_decref(before.status);
        before = ret->last;
    }
    return 0;
}

double rig_watch_rate(const struct rig_watch *w, const char *key)
{
    return rate(&w->first, &w->last, key);
}

void rig_watch_free(struct rig_watch *w)
{
    json_decref(w->first.status);
    json_decref(w->last.status);
    spread_free(&w->epochs_per_s);
    *w = (struct rig_watch){0};
}
