/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>

#include "tools/sim/simvm_counter.h"
#include "tools/sim/simvm_machine.h"

static char *text_of(json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    return text;
}

char *report_check(const struct machine *m)
{
    const struct guest *g = &m->guest;
    struct pattern_result r;

    pattern_check(&g->pattern, &m->mem, &g->cpu, &r);
    json_t *object = json_pack("{s:b, s:I, s:I, s:I, s:I}", "ok", r.bad == 0, "pages",
                               (json_int_t)g->pattern.pages, "step", (json_int_t)g->cpu.step,
                               "cursor", (json_int_t)g->cpu.cursor, "bad", (json_int_t)r.bad);
    if (object && r.bad) {
        json_object_set_new(object, "first_bad", json_integer((json_int_t)r.first_bad));
        json_object_set_new(object, "want", json_integer((json_int_t)r.want));
        json_object_set_new(object, "found", json_integer((json_int_t)r.found));
        json_object_set_new(object, "torn", json_boolean(r.torn));
    }
    return text_of(object);
}

char *report_stats(const struct machine *m)
{
    const struct guest *g = &m->guest;

    return text_of(json_pack(
        "{s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "running", m->running,
        "replica", m->replica, "step", (json_int_t)g->cpu.step, "cursor", (json_int_t)g->cpu.cursor,
        "dirtied", (json_int_t)g->cpu.dirtied, "answered", (json_int_t)g->cpu.answered, "counter",
        (json_int_t)counter_value(&m->mem), "frames_in", (json_int_t)m->frames_in, "frames_out",
        (json_int_t)m->frames_out, "frames_dropped", (json_int_t)m->frames_dropped, "stops",
        (json_int_t)m->stops, "network", m->nic != NULL));
}
