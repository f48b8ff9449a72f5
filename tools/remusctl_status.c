/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/remusctl_status.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/compiler.h"
#include "tools/remusctl_text.h"

#define PAGE_BYTES 4096.0

bool status_is_good(const json_t *vm)
{
    return json_is_true(json_object_get(vm, "protected")) &&
           json_array_size(json_object_get(vm, "degraded")) == 0;
}

void status_print_list(const json_t *vms)
{
    const struct text head[] = {{"NAME"}, {"UUID"}, {"ROLE"}, {"STATE"}, {"PROTECTED"}, {"PEER"}};
    struct table *t = table_new(ARRAY_LEN(head));
    size_t i;
    json_t *vm;

    table_row(t, head);
    json_array_foreach(vms, i, vm)
    {
        bool protected = json_is_true(json_object_get(vm, "protected"));
        const struct text row[ARRAY_LEN(head)] = {text_str(vm, "name"),
                                                  text_str(vm, "uuid"),
                                                  text_str(vm, "role"),
                                                  text_str(vm, "state"),
                                                  text_of(protected ? "yes" : "no"),
                                                  text_str(vm, "peer")};
        table_row(t, row);
    }
    table_print(t);
}

static struct text degraded_line(const json_t *reason)
{
    return text_of("  degraded: %s: %s (for %s)", text_str(reason, "cause").s,
                   text_str(reason, "text").s, text_ms(reason, "for_ms").s);
}

static bool sync_of(const json_t *vm, const json_t **ret)
{
    *ret = json_object_get(vm, "sync");
    return json_is_object(*ret);
}

static struct text sync_line(const json_t *sync)
{
    double done = json_number_value(json_object_get(sync, "pages_done"));
    double total = json_number_value(json_object_get(sync, "pages_total"));
    double percent = total > 0 ? 100 * done / total : 0;
    json_t *bytes = json_pack("{s:f, s:f}", "done", done * PAGE_BYTES, "total", total * PAGE_BYTES);
    struct text line = text_of("first copy: %.0f%%, %s of %s, %s/s, %s s left, round %s", percent,
                               text_bytes(bytes, "done").s, text_bytes(bytes, "total").s,
                               text_bytes(sync, "bytes_per_s").s, text_num(sync, "eta_s", 0).s,
                               text_num(sync, "round", 0).s);
    json_decref(bytes);
    return line;
}

struct text status_progress(const json_t *vm)
{
    const json_t *sync;
    if (sync_of(vm, &sync))
        return sync_line(sync);
    return text_of("%s", text_str(vm, "state").s);
}

static void notes(struct table *t, const json_t *vm)
{
    const json_t *sync;
    json_t *reason;
    size_t i;

    if (sync_of(vm, &sync)) {
        const struct text line = text_of("  %s", sync_line(sync).s);
        table_note(t, &line);
    }
    json_array_foreach(json_object_get(vm, "degraded"), i, reason)
    {
        const struct text line = degraded_line(reason);
        table_note(t, &line);
    }
}

void status_print_table(const json_t *vms)
{
    const struct text head[] = {{"NAME"},  {"ROLE"},     {"STATE"},    {"EPOCH"},
                                {"AGE"},   {"EPOCHS/S"}, {"PAUSE MS"}, {"SENT"},
                                {"RATIO"}, {"FLIGHT"},   {"HELD"},     {"MISSED"}};
    struct table *t = table_new(ARRAY_LEN(head));
    size_t i;
    json_t *vm;

    table_row(t, head);
    json_array_foreach(vms, i, vm)
    {
        const json_t *pause = json_object_get(vm, "pause_us");
        const struct text row[ARRAY_LEN(head)] = {
            text_str(vm, "name"),
            text_str(vm, "role"),
            text_str(vm, "state"),
            text_num(vm, "epoch", 0),
            text_ms(vm, "epoch_age_ms"),
            text_of("%s/%s", text_num(vm, "epochs_per_s", 1).s,
                    text_num(vm, "epochs_per_s_asked", 0).s),
            text_of("%s/%s/%s", text_us_as_ms(pause, "last").s, text_us_as_ms(pause, "p50").s,
                    text_us_as_ms(pause, "p99").s),
            text_bytes(vm, "bytes_sent"),
            text_num(vm, "ratio", 1),
            text_num(vm, "inflight", 0),
            text_num(vm, "held_frames", 0),
            text_num(vm, "missed_deadlines", 0),
        };
        table_row(t, row);
        notes(t, vm);
    }
    table_print(t);
}

static void field(struct table *t, const char *name, struct text value)
{
    const struct text row[] = {text_of("  %s", name), value};
    table_row(t, row);
}

static void stats_field(struct table *t, const json_t *vm, const char *name, const char *key)
{
    const json_t *s = json_object_get(vm, key);
    field(t, name,
          text_of("%s ms; p50 %s, p99 %s, longest %s", text_us_as_ms(s, "last").s,
                  text_us_as_ms(s, "p50").s, text_us_as_ms(s, "p99").s, text_us_as_ms(s, "max").s));
}

/* A time ahead: absent (null), past, or how far away. */
static struct text ahead(const json_t *vm, const char *key, const char *absent, const char *past,
                         const char *before)
{
    const json_t *ms = json_object_get(vm, key);
    if (!json_is_number(ms))
        return text_of("%s", absent);
    if (json_number_value(ms) <= 0)
        return text_of("%s", past);
    return text_of("%s%s", before, text_ms(vm, key).s);
}

static struct text suspend_text(const json_t *vm)
{
    const json_t *s = json_object_get(vm, "suspend");
    bool driver = strcmp(text_str(s, "mode").s, "driver") == 0;

    return driver ? text_of("by the guest's driver, version %s", text_str(s, "version").s)
                  : text_of("by the guest's kernel: %s", text_str(s, "why").s);
}

static void primary_fields(struct table *t, const json_t *vm)
{
    const json_t *coding = json_object_get(vm, "coding");
    const json_t *dirty = json_object_get(vm, "dirty_pages");

    field(t, "epochs/s",
          text_of("%s of %s asked (every %s ms); %s deadlines missed",
                  text_num(vm, "epochs_per_s", 1).s, text_num(vm, "epochs_per_s_asked", 1).s,
                  text_num(vm, "epoch_ms", 0).s, text_num(vm, "missed_deadlines", 0).s));
    stats_field(t, vm, "pause", "pause_us");
    field(t, "stopped", suspend_text(vm));
    stats_field(t, vm, "ack", "ack_us");
    field(t, "dirty pages",
          text_of("%s; p50 %s, p99 %s, most %s", text_num(dirty, "last", 0).s,
                  text_num(dirty, "p50", 0).s, text_num(dirty, "p99", 0).s,
                  text_num(dirty, "max", 0).s));
    field(t, "sent",
          text_of("%s for %s of pages, ratio %s", text_bytes(vm, "bytes_sent").s,
                  text_bytes(vm, "bytes_content").s, text_num(vm, "ratio", 2).s));
    field(t, "pages",
          text_of("unchanged %s, zero %s, delta %s, lz4 %s, raw %s",
                  text_num(coding, "unchanged", 0).s, text_num(coding, "zero", 0).s,
                  text_num(coding, "delta", 0).s, text_num(coding, "lz4", 0).s,
                  text_num(coding, "raw", 0).s));
    field(t, "in flight", text_of("%s epochs", text_num(vm, "inflight", 0).s));
    field(t, "lease", ahead(vm, "lease_left_ms", "not in force", "run out", "runs out in "));
}

static void backup_fields(struct table *t, const json_t *vm)
{
    field(t, "epochs/s", text_num(vm, "epochs_per_s", 1));
    field(t, "memory",
          text_of("%s of at most %s; staging %s", text_bytes(vm, "memory_bytes").s,
                  text_bytes(vm, "memory_limit_bytes").s, text_bytes(vm, "staging_bytes").s));
    field(t, "primary heard", text_of("%s ago", text_ms(vm, "heard_ms").s));
    if (json_is_object(json_object_get(vm, "export")))
        field(t, "export",
              text_of("%s written to %s", text_bytes(json_object_get(vm, "export"), "bytes").s,
                      text_str(json_object_get(vm, "export"), "file").s));
    field(t, "activation",
          ahead(vm, "activation_in_ms", "not possible", "possible", "possible in "));
}

/* What the VM's process says of it. */
static void process_fields(struct table *t, const json_t *vm)
{
    bool primary = strcmp(text_str(vm, "role").s, "primary") == 0;

    field(t, "role",
          text_of("%s, generation %s, backend %s, process %s", text_str(vm, "role").s,
                  text_num(vm, "generation", 0).s, text_str(vm, "backend").s,
                  text_num(vm, "pid", 0).s));
    field(t, "peer", text_str(vm, "peer"));
    field(t, "epoch",
          text_of("%s, sealed %s ago", text_num(vm, "epoch", 0).s, text_ms(vm, "epoch_age_ms").s));
    (primary ? primary_fields : backup_fields)(t, vm);
    field(t, "output",
          text_of("hold=%s; %s frames held (%s), %s dropped", text_str(vm, "hold").s,
                  text_num(vm, "held_frames", 0).s, text_bytes(vm, "held_bytes").s,
                  text_num(vm, "dropped_frames", 0).s));
    field(t, "detector", text_of("time-out %s", text_ms(vm, "detector_timeout_ms").s));
}

void status_print_detail(const json_t *vm)
{
    struct table *t = table_new(2);

    printf("%s (%s)\n", text_str(vm, "name").s, text_str(vm, "uuid").s);
    field(t, "state", text_str(vm, "state"));
    field(t, "protected",
          text_of("%s", json_is_true(json_object_get(vm, "protected")) ? "yes" : "no"));
    if (json_object_get(vm, "generation"))
        process_fields(t, vm);
    else /* it has no process, or one that has said nothing yet */
        field(t, "role", text_str(vm, "role"));
    notes(t, vm);
    table_print(t);
}
