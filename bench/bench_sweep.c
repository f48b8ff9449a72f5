/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench.h"
#include "bench/bench_memory.h"
#include "bench/bench_rig.h"

/*
 * The dirty rate is doubled until epochs come late, and the place is then closed in on by halving
 * the interval's ratio. A rate counts as kept when 95 of 100 epochs asked for are sealed.
 */
#define EPOCH_MS   25
#define FIRST_RATE 5000
#define LAST_RATE  640000
#define KEPT       0.95
#define SETTLE_MS  500
#define SPAN_MB    64 /* no page is written twice in an epoch: 655360 pages a second */
/* The VM, its replica and the primary's copy for deltas. */
#define WARM_BYTES ((size_t)4 * SPAN_MB << 20)

struct point {
    double pages_per_s; /* really captured */
    double epochs_per_s;
};

static int report(struct bench *b, const char *content, int asked, struct rig_watch *w,
                  const struct point *p, struct err *err)
{
    const json_t *s = w->last.status;
    double sent = rig_watch_rate(w, "bytes_sent") / 1e6;

    printf("%-7s %8d %10.0f %8.1f %9.1f %9.1f %9.0f %10.0f\n", content, asked, p->pages_per_s,
           p->pages_per_s * 4096 / 1e6, sent, p->epochs_per_s, rig_number(s, "pause_us", "p50"),
           rig_number(s, "ack_us", "p50") / 1000);
    return bench_emit(
        b,
        json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:o, s:f, s:f, s:o, s:o, s:o}", "bench", "sweep",
                  "content", content, "dirty_pages_per_s_asked", asked, "captured_pages_per_s",
                  p->pages_per_s, "captured_mb_per_s", p->pages_per_s * 4096 / 1e6, "sent_mb_per_s",
                  sent, "epochs_per_s", spread_json(&w->epochs_per_s), "epochs_per_s_asked",
                  1000.0 / EPOCH_MS, "missed_per_s", rig_watch_rate(w, "missed_deadlines"),
                  "pause_us", json_incref(json_object_get(s, "pause_us")), "ack_us",
                  json_incref(json_object_get(s, "ack_us")), "dirty_pages",
                  json_incref(json_object_get(s, "dirty_pages"))),
        err);
}

static int watch(struct bench *b, struct rig *r, const struct rig_vm *vm, const char *content,
                 int asked, struct point *p, struct err *err)
{
    struct rig_watch w;

    if (proc_sleep_ms(SETTLE_MS) < 0)
        return err_errno(err, "", "sweep");
    if (rig_watch(r, vm, bench_amount(b, 3000, 1000), &w, err) < 0)
        return -1;
    *p = (struct point){rig_watch_rate(&w, "bytes_content") / 4096, spread_median(&w.epochs_per_s)};
    int rc = report(b, content, asked, &w, p, err);
    rig_watch_free(&w);
    return rc;
}

static int at_rate(struct bench *b, struct rig *r, const char *content, int rate, struct point *p,
                   struct err *err)
{
    struct rig_vm_opts opts = {.mem_mb = SPAN_MB + 16,
                               .dirty_rate = rate,
                               .span_mb = SPAN_MB,
                               .order = "seq",
                               .content = content};
    struct rig_vm vm;

    if (memory_warm(WARM_BYTES, err) < 0)
        return -1;
    if (rig_vm_start(r, &vm, &opts, err) < 0)
        return -1;
    int rc = rig_protect(r, &vm, EPOCH_MS, "backup", err);
    if (rc == 0)
        rc = watch(b, r, &vm, content, rate, p, err);
    if (rc == 0)
        rc = rig_unprotect(r, &vm, err);
    rig_vm_stop(r, &vm);
    return rc;
}

/** The next rate to look at between one that was kept and one that was not (0: none yet). */
static int next_rate(int first, int kept, int missed)
{
    if (!missed)
        return kept ? kept * 2 : first;
    return (int)((kept + (double)missed) / 2);
}

static int sweep(struct bench *b, struct rig *r, const char *content, struct err *err)
{
    struct point p = {0}, best = {0};
    int kept = 0, missed = 0, closer = bench_amount(b, 2, 0);

    while (closer >= 0 && kept < LAST_RATE) {
        int rate = next_rate(bench_amount(b, FIRST_RATE, 4 * FIRST_RATE), kept, missed);
        if (at_rate(b, r, content, rate, &p, err) < 0)
            return -1;
        if (p.epochs_per_s >= KEPT * 1000 / EPOCH_MS) {
            kept = rate;
            best = p;
        } else {
            missed = rate;
        }
        closer -= missed != 0;
    }
    printf("%-7s kept up to %d pages/s asked: %.0f pages/s (%.0f MB/s) captured\n", content, kept,
           best.pages_per_s, best.pages_per_s * 4096 / 1e6);
    return bench_emit(b,
                      json_pack("{s:s, s:s, s:i, s:i, s:f, s:f, s:i}", "bench", "sweep-limit",
                                "content", content, "kept_pages_per_s_asked", kept,
                                "missed_pages_per_s_asked", missed, "captured_pages_per_s",
                                best.pages_per_s, "captured_mb_per_s",
                                best.pages_per_s * 4096 / 1e6, "epoch_ms", EPOCH_MS),
                      err);
}

int bench_sweep(struct bench *b, struct err *err)
{
    static const char *const contents[] = {"random", "text", "sparse"};
    size_t n = b->quick ? 1 : ARRAY_LEN(contents);
    struct rig r;
    int rc = rig_start(&r, b, err);

    if (rc < 0)
        return -1;
    printf("content    asked captured/s     MB/s sent MB/s  epochs/s  pause us    ack ms\n");
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = sweep(b, &r, contents[i], err);
    rig_stop(&r);
    return rc;
}
