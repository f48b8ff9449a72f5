/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench.h"
#include "bench/bench_rig.h"

#define EPOCH_MS 25
#define MEM_MB   256

static const struct load {
    const char *name;
    struct rig_vm_opts opts;
} loads[] = {
    {"idle", {.mem_mb = MEM_MB}},
    {"dirtying",
     {.mem_mb = MEM_MB, .dirty_rate = 10240, .span_mb = 128, .order = "random", .content = "text"}},
};

enum who { REMUSD, REMUSD_CHILD, BACKUPD, BACKUPD_CHILD, GUEST, WHO };
static const char *const who_names[WHO] = {"remusd", "remusd_child", "backupd", "backupd_child",
                                           "vm"};

static pid_t child_of(struct rig *r, enum rig_side side, const struct rig_vm *vm, struct err *err)
{
    struct rig_look look;

    if (rig_look(r, side, vm, &look, err) < 0)
        return 0;
    pid_t pid = (pid_t)json_integer_value(json_object_get(look.status, "pid"));
    json_decref(look.status);
    return pid;
}

static int uses(const pid_t pid[WHO], struct proc_use use[WHO], struct err *err)
{
    for (int i = 0; i < WHO; i++) {
        if (proc_use(pid[i], &use[i]) < 0)
            return err_errno(err, "", "%s", who_names[i]);
    }
    return 0;
}

static int report(struct bench *b, const char *load, double seconds, const struct proc_use from[],
                  const struct proc_use to[], struct err *err)
{
    json_t *line = json_pack("{s:s, s:s, s:i, s:i, s:f}", "bench", "load", "load", load, "epoch_ms",
                             EPOCH_MS, "vm_mb", MEM_MB, "seconds", seconds);

    for (int i = 0; line && i < WHO; i++) {
        double cpu = (to[i].cpu_s - from[i].cpu_s) / seconds * 100;
        printf("%-9s %-14s %8.1f %9.1f %9.1f\n", load, who_names[i], cpu, to[i].rss_mb,
               to[i].anon_mb);
        json_object_set_new(line, who_names[i],
                            json_pack("{s:f, s:f, s:f}", "cpu_percent", cpu, "rss_mb", to[i].rss_mb,
                                      "anon_mb", to[i].anon_mb));
    }
    return bench_emit(b, line, err);
}

static int watch(struct bench *b, struct rig *r, const struct load *load, const struct rig_vm *vm,
                 struct err *err)
{
    struct proc_use from[WHO], to[WHO];
    const pid_t pid[WHO] = {r->daemon[RIG_A].pid, child_of(r, RIG_A, vm, err), r->daemon[RIG_B].pid,
                            child_of(r, RIG_B, vm, err), vm->proc.pid};

    if (proc_sleep_ms(500) < 0)
        return err_errno(err, "", "load");
    struct mono start = mono_now();
    if (uses(pid, from, err) < 0)
        return -1;
    if (proc_sleep_ms(bench_amount(b, 5000, 1000)) < 0)
        return err_errno(err, "", "load");
    if (uses(pid, to, err) < 0)
        return -1;
    return report(b, load->name, (double)mono_sub(mono_now(), start) / NS_PER_S, from, to, err);
}

static int measure(struct bench *b, struct rig *r, const struct load *load, struct err *err)
{
    struct rig_vm vm;

    if (rig_vm_start(r, &vm, &load->opts, err) < 0)
        return -1;
    int rc = rig_protect(r, &vm, EPOCH_MS, "backup", err);
    if (rc == 0)
        rc = watch(b, r, load, &vm, err);
    if (rc == 0)
        rc = rig_unprotect(r, &vm, err);
    rig_vm_stop(r, &vm);
    return rc;
}

int bench_load(struct bench *b, struct err *err)
{
    struct rig r;
    int rc = rig_start(&r, b, err);

    if (rc < 0)
        return -1;
    printf("VM        process         %% core    RSS MB  of it private\n");
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(loads); i++)
        rc = measure(b, &r, &loads[i], err);
    rig_stop(&r);
    return rc;
}
