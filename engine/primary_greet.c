/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/fault.h"
#include "engine/primary.h"

/* Pause between two looks at whether the tool that has the dirty log is done with it. */
#define LOG_AGAIN_MS 2000

/* Everything in HELLO but the description. */

static int put_hello(struct primary *p, struct err *err)
{
    uint8_t desc[HV_DESC_MAX];
    size_t len;
    struct msg_hello m = {.version_min = WIRE_VERSION_MIN,
                          .version_max = WIRE_VERSION_MAX,
                          .features = WIRE_FEATURES_ALL,
                          .pages = p->info.pages,
                          .epoch_ms = (uint32_t)p->rec.epoch_ms,
                          .hold = (uint8_t)p->rec.hold,
                          .desc = desc};

    if (hv_describe(p->vm, desc, sizeof(desc), &len, err) < 0)
        return -1;
    m.desc_len = (uint32_t)len;
    memcpy(m.uuid, p->child.uuid.byte, sizeof(m.uuid));
    snprintf(m.name, sizeof(m.name), "%s", p->child.name);
    snprintf(m.backend, sizeof(m.backend), "%.63s", p->conf->backend);
    if (LINK_PUT(p->link, len + LINK_SMALL, session_put_hello, &m) < 0)
        return err_errno(err, "", "HELLO could not be built");
    return 0;
}

static void on_greet_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    primary_lost(arg, "backup-silent", "the backup did not answer HELLO");
}

static void record_stream(struct primary *p)
{
    char path[CONF_STR_MAX + 96];
    if (p->conf->record_stream[0] == '\0')
        return;
    snprintf(path, sizeof(path), "%s/%s-%llu-primary.stream", p->conf->record_stream,
             p->child.uuid_text, (unsigned long long)p->rec.generation);
    if (link_record(p->link, path) < 0)
        log_warn("stream not recorded to %s", path);
}

static int greet(struct primary *p, int fd, struct err *err)
{
    p->rec.generation++;
    if (primary_record(p, p->rec.state) < 0) {
        close(fd);
        return err_set(err, "check state_dir", "the new generation could not be made durable");
    }
    p->link = link_new(p->child.base, fd, SESSION_PRIMARY, p->rec.generation,
                       (size_t)p->conf->link_buffer_kb * 1024, &primary_link_ops, p);
    if (!p->link) {
        close(fd);
        return err_errno(err, "", "link");
    }
    record_stream(p);
    (void)FAULT(primary_hello);
    if (put_hello(p, err) < 0)
        return -1;
    link_flush(p->link);
    p->phase = PRIMARY_GREETING;
    if (!p->greet_ev)
        p->greet_ev = event_new(p->child.base, -1, 0, on_greet_timeout, p);
    struct timeval tv = mono_span_tv(p->conf->welcome_timeout_ms * NS_PER_MS);
    event_add(p->greet_ev, &tv);
    link_watch_host(p->link, p->conf->connect_timeout_ms);
    return 0;
}

static void on_dialed(int fd, const struct err *why, void *arg)
{
    struct primary *p = arg;
    struct err err;

    p->dial = NULL;
    if (fd < 0)
        primary_lost(p, "unreachable", why->text);
    else if (greet(p, fd, &err) < 0)
        primary_lost(p, "greeting", err.text);
}

/** A backup makes room for a whole VM: not for one of which nothing could be sent. */
static bool has_log(struct primary *p)
{
    struct err err;

    /* But one that may resume the VM is asked in any case. */
    p->no_log = !p->lease.in_force && primary_log(p, &err) < 0;
    if (p->no_log) {
        primary_failover_refused(p, err_line(&err)); /* or it would wait for the other tool */
        primary_lost(p, "dirty-log", err.text);
    }
    return !p->no_log;
}

void primary_connect(struct primary *p)
{
    struct err err;
    if (p->dial || p->link || p->phase == PRIMARY_ENDED)
        return;
    if (p->goal == GOAL_VM_LOST) /* a new session would drop what was sealed: the last copy */
        return;
    p->phase = PRIMARY_CONNECTING;
    if (!has_log(p))
        return;
    p->dial =
        dial_start(p->child.base, p->rec.peer, p->conf->connect_timeout_ms, on_dialed, p, &err);
    if (!p->dial)
        primary_lost(p, "unreachable", err.text);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    primary_connect(arg);
}

void primary_retry_later(struct primary *p)
{
    if (!p->retry_ev)
        p->retry_ev = event_new(p->child.base, -1, 0, on_retry, p);
    int64_t ms = p->conf->reconnect_ms;
    if (p->no_log && ms < LOG_AGAIN_MS)
        ms = LOG_AGAIN_MS;
    struct timeval tv = mono_span_tv(ms * NS_PER_MS);
    event_add(p->retry_ev, &tv);
}
