/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench_rig.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/ctl.h"

#define START_MS 10000
#define REPLY_MS 30000

static const char *const daemons[RIG_SIDES] = {"remusd", "backupd"};
static const char *const hosts[RIG_SIDES] = {"A", "B"};

/** printf into a buffer of PATH_MAX. */
static const char *path(char buf[PATH_MAX], const char *fmt, ...) PRINTF_LIKE(2, 3);
static const char *path(char buf[PATH_MAX], const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(buf, PATH_MAX, fmt, ap);
    va_end(ap);
    return buf;
}

static json_t *call_once(const char *sock, const json_t *request, struct err *err)
{
    struct ctl_buf buf = {0};
    json_t *reply = NULL;
    int fd = ctl_connect(sock, err);

    if (fd < 0)
        return NULL;
    if (ctl_send(fd, request, err) == 0)
        reply = ctl_read(fd, &buf, REPLY_MS, err);
    ctl_buf_free(&buf);
    close(fd);
    return reply;
}

json_t *rig_call(struct rig *r, enum rig_side side, json_t *request, struct err *err)
{
    char sock[PATH_MAX];
    json_t *reply = call_once(path(sock, "%s/%s/control", r->dir, hosts[side]), request, err);

    json_decref(request);
    if (!reply || json_is_true(json_object_get(reply, "ok")))
        return reply;
    const char *text = json_string_value(json_object_get(reply, "error"));
    (void)err_set(err, "", "%s: %.180s", daemons[side], text ? text : "refused");
    json_decref(reply);
    return NULL;
}

static int write_conf(struct rig *r, enum rig_side side, const char *file, struct err *err)
{
    FILE *f = fopen(file, "we");

    if (!f)
        return err_errno(err, "", "%.200s", file);
    fprintf(f, "control_socket = %s/%s/control\nstate_dir = %s/%s/state\n", r->dir, hosts[side],
            r->dir, hosts[side]);
    fprintf(f, "backend = sim\nbackend_conf = %s/%s/vms\n", r->dir, hosts[side]);
    if (side == RIG_B)
        fprintf(f, "listen = 127.0.0.1:0\nnet = switch:%s/switch\n", r->dir);
    return fclose(f) == 0 ? 0 : err_errno(err, "", "%.200s", file);
}

/** Until the daemon answers; its first reply. */
static json_t *first_answer(struct rig *r, enum rig_side side, struct err *err)
{
    for (int ms = 0; ms < START_MS; ms += 5) {
        json_t *reply = rig_call(r, side, json_pack("{s:s}", "cmd", "version"), err);
        if (reply)
            return reply;
        if (proc_wait(&r->daemon[side], 5) >= 0) {
            (void)err_set(err, "", "%s ended at once; see %.150s", daemons[side],
                          r->daemon[side].log);
            return NULL;
        }
    }
    return NULL;
}

static int start_daemon(struct rig *r, enum rig_side side, struct err *err)
{
    char dir[PATH_MAX], conf[PATH_MAX], log[PATH_MAX];

    if (mkdir(path(dir, "%s/%s", r->dir, hosts[side]), 0700) < 0)
        return err_errno(err, "", "%.200s", dir);
    if (write_conf(r, side, path(conf, "%s/%s/conf", r->dir, hosts[side]), err) < 0)
        return -1;
    const char *const argv[] = {"--config", conf, NULL};
    path(log, "%s/%s.log", r->dir, daemons[side]);
    if (proc_start(&r->daemon[side], daemons[side], argv, log, err) < 0)
        return -1;
    json_t *reply = first_answer(r, side, err);
    const char *listen = json_string_value(json_object_get(reply, "listen"));
    if (listen)
        snprintf(r->address, sizeof(r->address), "%s", listen);
    json_decref(reply);
    return reply ? 0 : -1;
}

static int start_switch(struct rig *r, struct err *err)
{
    char sock[PATH_MAX], log[PATH_MAX];
    const char *const argv[] = {"--listen", path(sock, "%s/switch", r->dir), NULL};

    if (proc_start(&r->sw, "remus-simswitch", argv, path(log, "%s/switch.log", r->dir), err) < 0)
        return -1;
    for (int ms = 0; ms < START_MS; ms += 5) {
        if (access(sock, F_OK) == 0)
            return 0;
        if (proc_wait(&r->sw, 5) >= 0 || errno == EINTR)
            break;
    }
    return err_set(err, "", "the switch does not start; see %.180s", log);
}

int rig_start(struct rig *r, struct bench *b, struct err *err)
{
    static unsigned number;

    *r = (struct rig){0};
    snprintf(r->dir, sizeof(r->dir), "%.900s/%u", b->scratch, number++);
    if (mkdir(r->dir, 0700) < 0)
        return err_errno(err, "", "%.200s", r->dir);
    if (start_switch(r, err) < 0 || start_daemon(r, RIG_B, err) < 0 ||
        start_daemon(r, RIG_A, err) < 0) {
        rig_stop(r);
        return -1;
    }
    return 0;
}

void rig_stop(struct rig *r)
{
    proc_end(&r->daemon[RIG_A], SIGTERM);
    proc_end(&r->daemon[RIG_B], SIGTERM);
    proc_end(&r->sw, SIGTERM);
}

int rig_protect(struct rig *r, const struct rig_vm *vm, int epoch_ms, const char *hold,
                struct err *err)
{
    json_t *reply =
        rig_call(r, RIG_A,
                 json_pack("{s:s, s:s, s:s, s:i, s:s}", "cmd", "protect", "vm", vm->uuid, "to",
                           r->address, "epoch_ms", epoch_ms, "hold", hold),
                 err);

    json_decref(reply);
    return reply ? rig_await(r, RIG_A, vm, "protected", REPLY_MS, err) : -1;
}

int rig_unprotect(struct rig *r, const struct rig_vm *vm, struct err *err)
{
    json_t *reply =
        rig_call(r, RIG_A, json_pack("{s:s, s:s}", "cmd", "unprotect", "vm", vm->uuid), err);

    json_decref(reply);
    return reply ? 0 : -1;
}
