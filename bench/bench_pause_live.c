/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench.h"
#include "bench/bench_rig.h"

#define EPOCH_MS 25

static json_t *part(const struct rig_look *look, const char *key)
{
    return json_incref(json_object_get(look->status, key));
}

static int report(struct bench *b, size_t pages, struct rig_watch *w, struct err *err)
{
    const json_t *s = w->last.status;

    printf("%6zu %8.0f %9.0f %9.0f %13.0f %8.0f %11.1f\n", pages,
           rig_number(s, "dirty_pages", "p50"), rig_number(s, "pause_us", "p50"),
           rig_number(s, "pause_us", "p99"), rig_number(s, "handshake_us", "p50"),
           rig_number(s, "copy_us", "p50"), spread_median(&w->epochs_per_s));
    return bench_emit(
        b,
        json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:f}", "bench", "live-pause", "pages",
                  (int)pages, "dirty_pages", part(&w->last, "dirty_pages"), "pause_us",
                  part(&w->last, "pause_us"), "handshake_us", part(&w->last, "handshake_us"),
                  "copy_us", part(&w->last, "copy_us"), "epochs_per_s",
                  spread_json(&w->epochs_per_s), "epochs_per_s_asked", 1000.0 / EPOCH_MS),
        err);
}

static int measure(struct bench *b, struct rig *r, size_t pages, struct err *err)
{
    struct rig_vm_opts opts = {.dirty_rate = (int)pages * 60,
                               .span_mb = (int)pages / 256,
                               .order = "seq",
                               .content = "sparse"};
    struct rig_watch w;
    struct rig_vm vm;

    if (rig_vm_start(r, &vm, &opts, err) < 0)
        return -1;
    int rc = rig_protect(r, &vm, EPOCH_MS, "backup", err);
    if (rc == 0)
        rc = rig_watch(r, &vm, bench_amount(b, 5000, 1000), &w, err);
    if (rc == 0) {
        rc = report(b, pages, &w, err);
        rig_watch_free(&w);
    }
    if (rc == 0)
        rc = rig_unprotect(r, &vm, err);
    rig_vm_stop(r, &vm);
    return rc;
}

int bench_pause_live(struct bench *b, struct err *err)
{
    static const size_t sizes[] = {0, 256, 1024, 4096};
    struct rig r;
    int rc = rig_start(&r, b, err);

    if (rc < 0)
        return -1;
    printf(" pages captured pause p50       p99 handshake p50 copy p50 epochs/s\n");
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(sizes); i++)
        rc = measure(b, &r, sizes[i], err);
    rig_stop(&r);
    return rc;
}
