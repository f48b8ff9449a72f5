/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench_rig.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"

#define START_MS   10000
#define REPORT_MAX (1 << 20)
#define ARGS_MAX   40

/** An argument vector made of texts of its own. */
struct args {
    char text[ARGS_MAX][256];
    const char *argv[ARGS_MAX + 1];
    size_t n;
};

static void add(struct args *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add(struct args *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(a->text[a->n], sizeof(a->text[0]), fmt, ap);
    va_end(ap);
    a->argv[a->n] = a->text[a->n];
    a->argv[++a->n] = NULL;
}

static void add_load(struct args *a, const struct rig_vm_opts *o)
{
    if (o->dirty_rate) {
        add(a, "--dirty-rate=%d", o->dirty_rate);
        add(a, "--dirty-span-mb=%d", o->span_mb);
    }
    if (o->order)
        add(a, "--dirty-order=%s", o->order);
    if (o->content)
        add(a, "--content=%s", o->content);
    if (o->pattern_rate)
        add(a, "--pattern-rate=%d", o->pattern_rate);
    else
        add(a, "--pattern-mb=0");
}

/** What the VM says to `request`; -1 when it does not answer. */
static int ask(struct rig *r, const char *host, const struct rig_vm *vm, const char *request)
{
    struct args a = {.n = 0};
    struct proc p;
    struct err err;
    char log[PATH_MAX];

    add(&a, "--dir=%s/%s/vms", r->dir, host);
    add(&a, "--uuid=%s", vm->uuid);
    add(&a, "--ask=%s", request);
    snprintf(log, sizeof(log), "%s/ask.log", r->dir);
    if (proc_start(&p, "remus-simvm", a.argv, log, &err) < 0)
        return -1;
    int rc = proc_wait(&p, START_MS);
    proc_end(&p, SIGKILL);
    return rc == 0 ? 0 : -1;
}

int rig_vm_start(struct rig *r, struct rig_vm *vm, const struct rig_vm_opts *o, struct err *err)
{
    static unsigned number;
    struct args a = {.n = 0};
    char log[PATH_MAX];

    number++;
    *vm = (struct rig_vm){0};
    snprintf(vm->uuid, sizeof(vm->uuid), "00000000-0000-4000-8000-%012x", number);
    snprintf(vm->ip, sizeof(vm->ip), "10.77.%u.%u", 1 + number / 200 % 200, 1 + number % 200);
    add(&a, "--dir=%s/A/vms", r->dir);
    add(&a, "--uuid=%s", vm->uuid);
    add(&a, "--mem-mb=%d", o->mem_mb ? o->mem_mb : 64);
    add(&a, "--net=switch:%s/switch", r->dir);
    add(&a, "--ip=%s", vm->ip);
    add_load(&a, o);
    snprintf(log, sizeof(log), "%s/vm%u.log", r->dir, number);
    if (proc_start(&vm->proc, "remus-simvm", a.argv, log, err) < 0)
        return -1;
    for (int ms = 0; ms < START_MS && vm->proc.pid; ms += 20) {
        if (ask(r, "A", vm, "info") == 0)
            return 0;
        if (proc_wait(&vm->proc, 20) < 0 && errno == EINTR)
            break;
    }
    proc_end(&vm->proc, SIGKILL);
    return err_set(err, "", "the VM does not start; see %.180s", log);
}

void rig_vm_stop(struct rig *r, struct rig_vm *vm)
{
    proc_end(&vm->proc, SIGTERM);
    (void)ask(r, "B", vm, "destroy");
}

int rig_host_dies(struct rig *r, struct rig_vm *vm, struct mono *ret_when, struct err *err)
{
    struct rig_look look;

    if (rig_look(r, RIG_A, vm, &look, err) < 0)
        return -1;
    pid_t child = (pid_t)json_integer_value(json_object_get(look.status, "pid"));
    json_decref(look.status);
    if (child <= 1)
        return err_set(err, "", "remusd has no process for the VM");
    /* The child first: alive, it would report the VM's end. */
    kill(child, SIGKILL);
    *ret_when = mono_now();
    proc_end(&r->daemon[RIG_A], SIGKILL);
    proc_end(&vm->proc, SIGKILL);
    return 0;
}

int rig_client_start(struct rig *r, struct rig_client *c, const struct rig_vm *vm, const char *mode,
                     int interval_ms, int count, struct err *err)
{
    struct args a = {.n = 0};
    char log[PATH_MAX];
    unsigned n = ++r->clients;

    add(&a, "%s", mode);
    add(&a, "--switch=%s/switch", r->dir);
    add(&a, "--mac=52:54:00:c1:%02x:%02x", n >> 8 & 255, n & 255);
    add(&a, "--ip=10.77.0.%u", n % 250 + 1);
    add(&a, "--target=%s", vm->ip);
    add(&a, "--interval-ms=%d", interval_ms);
    add(&a, "--count=%d", count);
    /* What was lost in a failover is not waited for at the end. */
    add(&a, "--timeout-ms=%d", 1000);
    snprintf(log, sizeof(log), "%s/client%u.log", r->dir, n);
    return proc_start(&c->proc, "remus-simclient", a.argv, log, err);
}

/** The JSON object in a client's output; other lines may stand before it. */
static json_t *report_in(const char *file, struct err *err)
{
    char *text = NULL;
    size_t len;
    json_t *report = NULL;

    if (file_read(file, REPORT_MAX, &text, &len) == 0 && strchr(text, '{'))
        report = json_loads(strchr(text, '{'), JSON_DISABLE_EOF_CHECK, NULL);
    if (!report)
        (void)err_set(err, "", "the client reports nothing: %.180s", text ? text : file);
    free(text);
    return report;
}

json_t *rig_client_end(struct rig_client *c, int timeout_ms, struct err *err)
{
    if (proc_wait(&c->proc, timeout_ms) < 0)
        proc_end(&c->proc, SIGTERM);
    json_t *report = report_in(c->proc.log, err);
    const char *what = "violations";

    if (json_array_size(json_object_get(report, what)) > 0) {
        (void)err_set(err, "", "the client saw lost or repeated answers; see %.180s", c->proc.log);
        json_decref(report);
        return NULL;
    }
    return report;
}
