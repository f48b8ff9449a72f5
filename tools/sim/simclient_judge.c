/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simclient_judge.h"

#include "tools/sim/simclient_stats.h"

static json_t *latencies(const struct history *h)
{
    struct samples s = {0};
    json_t *result = NULL;

    for (size_t i = 0; i < h->count; i++) {
        const struct history_op *op = &h->op[i];
        if (op->kind != HISTORY_INCREMENT || !op->answered_ns)
            continue;
        if (samples_add(&s, op->answered_ns - op->sent_ns) < 0)
            goto out;
    }
    result = samples_json(&s);
out:
    samples_free(&s);
    return result;
}

/** The value of a read, null when it was not answered or is no read. */
static json_t *read_at(const struct history *h, size_t index)
{
    if (index >= h->count || h->op[index].kind != HISTORY_READ || !h->op[index].answered_ns)
        return json_null();
    return json_integer((json_int_t)h->op[index].value);
}

static json_t *find_violations(const struct history *h, bool exclusive, json_t *unsteady)
{
    json_t *all = history_check(h, exclusive);

    if (all)
        json_array_extend(all, unsteady);
    return all;
}

enum client_status counter_judge(const struct history *h, bool exclusive, json_t *unsteady,
                                 json_t *report)
{
    size_t reads = 0, answered = history_answered(h, HISTORY_INCREMENT);
    json_t *violations = find_violations(h, exclusive, unsteady);

    for (size_t i = 0; i < h->count; i++)
        reads += h->op[i].kind == HISTORY_READ;
    json_t *final = reads > 1 ? read_at(h, h->count - 1) : json_null();
    json_object_set_new(report, "mode", json_string("counter"));
    json_object_set_new(report, "ops", json_integer((json_int_t)(h->count - reads)));
    json_object_set_new(report, "answered", json_integer((json_int_t)answered));
    json_object_set_new(report, "unanswered",
                        json_integer((json_int_t)(h->count - reads - answered)));
    json_object_set_new(report, "base", read_at(h, 0));
    json_object_set_new(report, "final", final);
    json_object_set_new(report, "latency_us", latencies(h));
    json_object_set_new(report, "violations", violations);
    if (!violations)
        return CLIENT_ERROR;
    if (json_array_size(violations) > 0)
        return CLIENT_VIOLATION;
    if (answered == 0)
        return CLIENT_SILENCE;
    return json_is_null(final) ? CLIENT_UNPROVEN : CLIENT_GOOD;
}
