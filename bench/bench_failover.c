/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>

#include "bench/bench.h"
#include "bench/bench_rig.h"

#define EPOCH_MS  25
#define PROBE_MS  2
#define BEFORE_MS 1200
#define AFTER_MS  600
#define WAIT_MS   20000

enum part { WAIT, ACTIVATE, ANSWER, TOTAL, PARTS };
static const char *const part_names[PARTS] = {"wait_ms", "activation_ms", "answer_ms", "total_ms"};

/** Points on CLOCK_MONOTONIC; hosts are processes of one machine, so they compare. */
struct times {
    int64_t killed, takeover, activated, answered;
};

static double ms(int64_t from, int64_t to)
{
    return (double)(to - from) / NS_PER_MS;
}

/** The longest silence that the client saw is the failover: it ends with the first answer. */
static int first_answer(struct rig_client *c, struct times *t, struct err *err)
{
    json_t *report = rig_client_end(c, 0, err);

    if (!report)
        return -1;
    double gap = rig_number(report, "longest_gap_ms", NULL);
    t->answered = json_integer_value(json_object_get(report, "longest_gap_start_ns")) +
                  (int64_t)(gap * NS_PER_MS);
    json_decref(report);
    return t->answered > t->killed ? 0
                                   : err_set(err, "",
                                             "the client's longest silence was before the "
                                             "kill: nothing was measured");
}

static int kill_and_wait(struct rig *r, struct rig_vm *vm, int phase_ms, struct times *t,
                         struct err *err)
{
    struct mono when;

    /* Kills spread over the phases of an epoch. */
    if (proc_sleep_ms(BEFORE_MS + phase_ms) < 0)
        return err_errno(err, "", "failover");
    if (rig_host_dies(r, vm, &when, err) < 0 || rig_await(r, RIG_B, vm, "active", WAIT_MS, err) < 0)
        return -1;
    if (proc_sleep_ms(AFTER_MS) < 0)
        return err_errno(err, "", "failover");
    *t = (struct times){when.ns, rig_event(r, RIG_B, vm, "takeover"),
                        rig_event(r, RIG_B, vm, "activated"), 0};
    return 0;
}

static int fail_over(struct rig *r, struct rig_vm *vm, const char *hold, int phase_ms,
                     struct times *t, struct err *err)
{
    struct rig_client c;

    if (rig_protect(r, vm, EPOCH_MS, hold, err) < 0 ||
        rig_client_start(r, &c, vm, "echo", PROBE_MS, 1000000, err) < 0)
        return -1;
    if (kill_and_wait(r, vm, phase_ms, t, err) == 0)
        return first_answer(&c, t, err);
    proc_end(&c.proc, SIGKILL);
    return -1;
}

static int repetition(struct bench *b, const char *hold, int i, struct spread part[PARTS],
                      struct err *err)
{
    struct rig_vm_opts opts = {.pattern_rate = 2000};
    struct times t = {0};
    struct rig r;
    struct rig_vm vm;

    if (rig_start(&r, b, err) < 0)
        return -1;
    int rc = rig_vm_start(&r, &vm, &opts, err);
    if (rc == 0) {
        rc = fail_over(&r, &vm, hold, i * 7 % EPOCH_MS, &t, err);
        rig_vm_stop(&r, &vm);
    }
    rig_stop(&r);
    if (rc < 0)
        return -1;
    spread_add(&part[WAIT], ms(t.killed, t.takeover));
    spread_add(&part[ACTIVATE], ms(t.takeover, t.activated));
    spread_add(&part[ANSWER], ms(t.activated, t.answered));
    spread_add(&part[TOTAL], ms(t.killed, t.answered));
    return 0;
}

static int report(struct bench *b, const char *hold, struct spread part[PARTS], struct err *err)
{
    json_t *line =
        json_pack("{s:s, s:s, s:i}", "bench", "failover", "hold", hold, "epoch_ms", EPOCH_MS);

    printf("%-8s", hold);
    for (int i = 0; i < PARTS; i++) {
        printf(" %9.1f", spread_median(&part[i]));
        if (line)
            json_object_set_new(line, part_names[i], spread_json(&part[i]));
    }
    printf(" %9.1f %9.1f %4zu\n", spread_at(&part[TOTAL], 0), spread_at(&part[TOTAL], 100),
           part[TOTAL].n);
    return bench_emit(b, line, err);
}

static int measure(struct bench *b, const char *hold, struct err *err)
{
    struct spread part[PARTS] = {{0}};
    int rc = 0, n = bench_amount(b, 7, 1);

    for (int i = 0; rc == 0 && i < n; i++)
        rc = repetition(b, hold, i, part, err);
    if (rc == 0)
        rc = report(b, hold, part, err);
    for (int i = 0; i < PARTS; i++)
        spread_free(&part[i]);
    return rc;
}

int bench_failover(struct bench *b, struct err *err)
{
    printf("hold          wait  activate    answer total p50       min       max    n (ms)\n");
    if (measure(b, "backup", err) < 0)
        return -1;
    return measure(b, "primary", err);
}
