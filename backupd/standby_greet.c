/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/standby.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/fault.h"

/* Frames for the guest wait no longer than this much; a network drops beyond it. */
#define LINK_LIMIT (4u << 20)
#define GREET_MS   5000
/* The same primary often comes back at once: with a higher generation, or to protect again. */
#define IDLE_MS 2000

static void on_idle(evutil_socket_t fd, short what, void *arg)
{
    struct standby *s = arg;
    (void)fd;
    (void)what;
    if (!s->link && !s->newcomer && s->phase == STANDBY_WAITING)
        standby_end(s);
}

void standby_idle(struct standby *s)
{
    struct timeval tv = mono_span_tv(IDLE_MS * NS_PER_MS);
    if (!s->idle_ev)
        s->idle_ev = event_new(s->child.base, -1, 0, on_idle, s);
    event_add(s->idle_ev, &tv);
}

/* With what to do here, where it fits: it is read there. */
static void put_reason(char *to, size_t cap, const struct err *err)
{
    int len = snprintf(to, cap, "%s; %s", err->text, err->hint);

    if (err->hint[0] == '\0' || len < 0 || (size_t)len >= cap)
        snprintf(to, cap, "%s", err->text);
}

static void refuse(struct standby *s, struct link *link, const struct refusal *why)
{
    struct msg_reject m = {.code = why->code};
    /* FAILED with HELLO's own generation means "given up": never say it by coincidence. */
    bool tell =
        !why->vm_here && (why->code == WIRE_REJECT_GENERATION || why->code == WIRE_REJECT_FENCED ||
                          s->rec.state == VM_HOLDING || s->rec.state == VM_RELEASED);
    if (tell)
        m.generation = s->rec.generation;
    put_reason(m.text, sizeof(m.text), &why->err);
    child_event(&s->child, LOG_LEVEL_WARN, "refused", "%s refused: %s", link_peer(link), m.text);
    if (LINK_PUT(link, LINK_SMALL, session_put_reject, &m) < 0)
        log_debug("REJECT not sent");
    link_free(link, true);
    standby_idle(s);
}

static int create(struct standby *s, const struct msg_hello *m, struct refusal *why)
{
    struct err *err = &why->err;
    size_t staging = (size_t)s->conf->staging_mb * 1024 * 1024 / HV_PAGE_SIZE;

    if (hv_reap(s->hv, &s->child.uuid, err) < 0 || standby_net_open(s, err) < 0)
        return -1;
    if (FAULT(backup_replica_create))
        return err_set(err, "", "replica not created: no memory (injected)");
    if (hv_replica_create(s->hv, m->desc, m->desc_len, &s->replica, err) < 0) {
        why->vm_here = errno == EEXIST;
        return -1;
    }
    if (store_init(&s->store, s->replica, s->rec.generation, staging, standby_memory_max(s)) < 0)
        return err_errno(err, "lower staging_mb", "staging memory");
    s->store_open = true;
    return 0;
}

static bool welcome(struct standby *s, const struct msg_hello *m)
{
    struct msg_welcome reply = {.version = WIRE_VERSION_MAX,
                                .features = m->features & WIRE_FEATURES_ALL,
                                .lease_ms = (uint32_t)s->conf->detector_floor_ms,
                                .staging_pages =
                                    (uint64_t)s->conf->staging_mb * 1024 * 1024 / HV_PAGE_SIZE};
    if (LINK_PUT(s->link, LINK_SMALL, session_put_welcome, &reply) < 0)
        return false;
    link_flush(s->link);
    return true;
}

static void record_stream(struct standby *s)
{
    char path[CONF_STR_MAX + 96];
    if (s->conf->record_stream[0] == '\0')
        return;
    snprintf(path, sizeof(path), "%s/%s-%llu-backup.stream", s->conf->record_stream,
             s->child.uuid_text, (unsigned long long)s->rec.generation);
    if (link_record(s->link, path) < 0)
        log_warn("stream not recorded to %s", path);
}

/** The new session replaces whatever was here: older epochs are given up, durably. */
static void accept_hello(struct standby *s, struct link *link, const struct session_event *ev)
{
    const struct msg_hello *m = &ev->u.hello;
    struct refusal why = {.code = WIRE_REJECT_FAILED};

    child_set_name(&s->child, m->name);
    snprintf(s->rec.name, sizeof(s->rec.name), "%s", m->name);
    if (standby_record(s, VM_HOLDING, ev->generation) < 0) {
        (void)err_set(&why.err, "", "the state directory of the backup is not writable");
        refuse(s, link, &why);
        return;
    }
    link_free(s->link, false);
    s->link = link;
    s->parting = false;
    standby_drop_replica(s);
    lease_granted_init(&s->granted);
    snprintf(s->peer, sizeof(s->peer), "%s", link_peer(link));
    s->hold = m->hold;
    if (create(s, m, &why) < 0) {
        s->link = NULL;
        standby_drop_replica(s);
        s->phase = STANDBY_WAITING;
        refuse(s, link, &why);
        return;
    }
    s->phase = STANDBY_RECEIVING;
    detector_init(&s->detector,
                  &(struct detector_conf){s->conf->detector_floor_ms * NS_PER_MS,
                                          s->conf->detector_ceiling_ms * NS_PER_MS},
                  mono_now());
    record_stream(s);
    (void)FAULT(backup_hello);
    if (!welcome(s, m)) {
        standby_link_lost(s, "WELCOME could not be sent");
        return;
    }
    child_restore(&s->child, "link-lost");
    child_restore(&s->child, "primary-silent");
    child_restore(&s->child, "activation");
    child_event(&s->child, LOG_LEVEL_INFO, "session",
                "receiving %s (%llu MiB) from %s, generation %llu", s->child.name,
                (unsigned long long)(hv_replica_memory(s->replica) / 256), s->peer,
                (unsigned long long)ev->generation);
    standby_watch(s);
    standby_status_send(s);
}

static void on_record(struct link *link, const struct session_event *ev, void *arg)
{
    struct standby *s = arg;
    struct refusal why = {0};

    if (link == s->link) {
        s->record_at = mono_now();
        detector_heard(&s->detector, s->record_at);
        standby_record_in(s, ev);
        return;
    }
    s->newcomer = NULL;
    event_del(s->greet_ev);
    if (ev->type != WIRE_HELLO) { /* a REJECT is legal at any time */
        link_free(link, false);
        standby_idle(s);
        return;
    }
    standby_judge(s, link, ev, &why);
    if (why.code)
        refuse(s, link, &why);
    else
        accept_hello(s, link, ev);
}

static void on_end(struct link *link, enum link_end end, const char *text, void *arg)
{
    struct standby *s = arg;
    (void)end;

    if (link == s->link) {
        standby_link_lost(s, text);
        return;
    }
    if (link == s->newcomer) {
        s->newcomer = NULL;
        event_del(s->greet_ev);
    }
    link_free(link, true);
    standby_idle(s);
}

static void on_greet_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct standby *s = arg;
    (void)fd;
    (void)what;
    log_warnx("a connection that did not end its HELLO is closed");
    link_free(s->newcomer, false);
    s->newcomer = NULL;
    standby_idle(s);
}

void standby_newcomer(struct standby *s, int fd)
{
    static const struct link_ops ops = {.on_record = on_record, .on_end = on_end};

    link_free(s->newcomer, false);
    s->newcomer = link_new(s->child.base, fd, SESSION_BACKUP, 0, LINK_LIMIT, &ops, s);
    if (!s->newcomer) {
        log_warn("connection dropped");
        close(fd);
        return;
    }
    struct timeval tv = mono_span_tv(GREET_MS * NS_PER_MS);
    if (!s->greet_ev)
        s->greet_ev = event_new(s->child.base, -1, 0, on_greet_timeout, s);
    event_add(s->greet_ev, &tv);
}
