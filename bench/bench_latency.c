/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench.h"
#include "bench/bench_rig.h"

/*
 * The same client asks the same VM without protection and with it, in turn. Probes go out at fixed
 * times, answered or not, so they meet every phase of an epoch alike; and, apart from that, the
 * counter's clients, which wait for each answer and so end up in step with the epochs.
 */
#define PROBE_MS          2
#define REPORT_MS         30000
#define SETTLE_MS         300
#define AIM_P50_MS(epoch) ((epoch) / 2.0 + 2)
#define AIM_P99_MS(epoch) ((epoch) + 5.0)

struct latency {
    struct spread base_p50, base_p99, p50, p99, added_p50, added_p99, loop_p50, loop_p99, lost;
};

static void latency_free(struct latency *l)
{
    struct spread *all[] = {&l->base_p50,  &l->base_p99, &l->p50,      &l->p99, &l->added_p50,
                            &l->added_p99, &l->loop_p50, &l->loop_p99, &l->lost};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        spread_free(all[i]);
}

/** Percentiles in milliseconds. */
struct seen {
    double p50, p99, lost;
};

static int ask(struct rig *r, const struct rig_vm *vm, const char *mode, int interval_ms, int count,
               const char *key, struct seen *ret, struct err *err)
{
    struct rig_client c;

    if (rig_client_start(r, &c, vm, mode, interval_ms, count, err) < 0)
        return -1;
    json_t *report = rig_client_end(&c, REPORT_MS, err);
    if (!report)
        return -1;
    *ret = (struct seen){rig_number(report, key, "p50") / 1000,
                         rig_number(report, key, "p99") / 1000, rig_number(report, "lost", NULL)};
    json_decref(report);
    return 0;
}

static int probe(struct rig *r, const struct rig_vm *vm, int count, struct seen *ret,
                 struct err *err)
{
    return ask(r, vm, "echo", PROBE_MS, count, "rtt_us", ret, err);
}

static int protected_part(struct bench *b, struct rig *r, const struct rig_vm *vm,
                          struct seen *with, struct seen *loop, struct err *err)
{
    if (proc_sleep_ms(SETTLE_MS) < 0)
        return err_errno(err, "", "latency");
    if (probe(r, vm, bench_amount(b, 1000, 300), with, err) < 0)
        return -1;
    return ask(r, vm, "counter", 0, bench_amount(b, 200, 40), "latency_us", loop, err);
}

static int before_and_with(struct bench *b, struct rig *r, const struct rig_vm *vm, int epoch_ms,
                           const char *hold, struct seen seen[3], struct err *err)
{
    if (probe(r, vm, bench_amount(b, 500, 100), &seen[0], err) < 0 ||
        rig_protect(r, vm, epoch_ms, hold, err) < 0 ||
        protected_part(b, r, vm, &seen[1], &seen[2], err) < 0)
        return -1;
    return rig_unprotect(r, vm, err);
}

static int one_round(struct bench *b, struct rig *r, int epoch_ms, const char *hold,
                     struct latency *l, struct err *err)
{
    struct rig_vm_opts opts = {.pattern_rate = 2000};
    struct seen seen[3] = {{0}};
    struct rig_vm vm;

    if (rig_vm_start(r, &vm, &opts, err) < 0)
        return -1;
    int rc = before_and_with(b, r, &vm, epoch_ms, hold, seen, err);
    rig_vm_stop(r, &vm);
    if (rc < 0)
        return -1;
    spread_add(&l->base_p50, seen[0].p50);
    spread_add(&l->base_p99, seen[0].p99);
    spread_add(&l->p50, seen[1].p50);
    spread_add(&l->p99, seen[1].p99);
    spread_add(&l->added_p50, seen[1].p50 - seen[0].p50);
    spread_add(&l->added_p99, seen[1].p99 - seen[0].p99);
    spread_add(&l->loop_p50, seen[2].p50);
    spread_add(&l->loop_p99, seen[2].p99);
    spread_add(&l->lost, seen[1].lost);
    return 0;
}

static int report(struct bench *b, int epoch_ms, const char *hold, struct latency *l,
                  struct err *err)
{
    double aim50 = AIM_P50_MS(epoch_ms), aim99 = AIM_P99_MS(epoch_ms);

    printf("%8d %-8s %8.2f %9.2f %6.1f %9.2f %6.1f %10.2f %10.2f\n", epoch_ms, hold,
           spread_median(&l->base_p50), spread_median(&l->added_p50), aim50,
           spread_median(&l->added_p99), aim99, spread_median(&l->loop_p50),
           spread_median(&l->loop_p99));
    return bench_emit(
        b,
        json_pack("{s:s, s:i, s:s, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "bench",
                  "latency", "epoch_ms", epoch_ms, "hold", hold, "aim_p50_ms", aim50, "aim_p99_ms",
                  aim99, "unprotected_p50_ms", spread_json(&l->base_p50), "unprotected_p99_ms",
                  spread_json(&l->base_p99), "p50_ms", spread_json(&l->p50), "p99_ms",
                  spread_json(&l->p99), "added_p50_ms", spread_json(&l->added_p50), "added_p99_ms",
                  spread_json(&l->added_p99), "closed_loop_p50_ms", spread_json(&l->loop_p50),
                  "closed_loop_p99_ms", spread_json(&l->loop_p99), "lost", spread_json(&l->lost)),
        err);
}

static int measure(struct bench *b, struct rig *r, int epoch_ms, const char *hold, struct err *err)
{
    struct latency l = {0};
    int rc = 0, rounds = bench_amount(b, 3, 1);

    for (int i = 0; rc == 0 && i < rounds; i++)
        rc = one_round(b, r, epoch_ms, hold, &l, err);
    if (rc == 0)
        rc = report(b, epoch_ms, hold, &l, err);
    latency_free(&l);
    return rc;
}

int bench_latency(struct bench *b, struct err *err)
{
    static const int epochs[] = {25, 10, 5};
    static const char *const holds[] = {"backup", "primary"};
    struct rig r;
    int rc = rig_start(&r, b, err);

    if (rc < 0)
        return -1;
    printf(
        "epoch ms hold     base p50 added p50  aim   added p99  aim   loop p50   loop p99 (ms)\n");
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(epochs) * ARRAY_LEN(holds); i++)
        rc = measure(b, &r, epochs[i / ARRAY_LEN(holds)], holds[i % ARRAY_LEN(holds)], err);
    rig_stop(&r);
    return rc;
}
