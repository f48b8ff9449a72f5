/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench.h"
#include "bench/bench_rig.h"

static const struct load {
    const char *name;
    struct rig_vm_opts opts;
} loads[] = {
    {"light", {.pattern_rate = 2000}},
    {"idle", {0}},
    {"busy",
     {.pattern_rate = 2000,
      .dirty_rate = 20000,
      .span_mb = 32,
      .order = "random",
      .content = "text"}},
};

static int report(struct bench *b, const struct load *load, int epoch_ms, struct rig_watch *w,
                  struct err *err)
{
    double asked = 1000.0 / epoch_ms, missed = rig_watch_rate(w, "missed_deadlines");

    printf("%-6s %8d %8.0f %9.1f %9.1f %9.1f %11.1f\n", load->name, epoch_ms, asked,
           spread_at(&w->epochs_per_s, 0), spread_median(&w->epochs_per_s),
           spread_at(&w->epochs_per_s, 100), missed);
    return bench_emit(b,
                      json_pack("{s:s, s:s, s:i, s:f, s:o, s:f, s:o, s:o}", "bench", "rate", "load",
                                load->name, "epoch_ms", epoch_ms, "epochs_per_s_asked", asked,
                                "epochs_per_s", spread_json(&w->epochs_per_s), "missed_per_s",
                                missed, "pause_us",
                                json_incref(json_object_get(w->last.status, "pause_us")), "ack_us",
                                json_incref(json_object_get(w->last.status, "ack_us"))),
                      err);
}

static int measure(struct bench *b, struct rig *r, const struct load *load, int epoch_ms,
                   struct err *err)
{
    struct rig_watch w;
    struct rig_vm vm;

    if (rig_vm_start(r, &vm, &load->opts, err) < 0)
        return -1;
    int rc = rig_protect(r, &vm, epoch_ms, "backup", err);
    if (rc == 0)
        rc = rig_watch(r, &vm, bench_amount(b, 3000, 1000), &w, err);
    if (rc == 0) {
        rc = report(b, load, epoch_ms, &w, err);
        rig_watch_free(&w);
    }
    if (rc == 0)
        rc = rig_unprotect(r, &vm, err);
    rig_vm_stop(r, &vm);
    return rc;
}

int bench_rate(struct bench *b, struct err *err)
{
    static const int epochs[] = {25, 10, 5};
    size_t n = b->quick ? 1 : ARRAY_LEN(loads);
    struct rig r;
    int rc = rig_start(&r, b, err);

    if (rc < 0)
        return -1;
    printf("load   epoch ms    asked       min    median       max missed/s\n");
    for (size_t i = 0; rc == 0 && i < n * ARRAY_LEN(epochs); i++)
        rc = measure(b, &r, &loads[i / ARRAY_LEN(epochs)], epochs[i % ARRAY_LEN(epochs)], err);
    rig_stop(&r);
    return rc;
}
