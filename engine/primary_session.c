/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/primary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/fault.h"

/* Any record but PAGES, FRAMES, STATE and HELLO. */
#define SMALL_RECORD 4096

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    primary_connect(arg);
}

static void retry_later(struct primary *p)
{
    if (!p->retry_ev)
        p->retry_ev = event_new(p->child.base, -1, 0, on_retry, p);
    struct timeval tv = mono_span_tv(p->conf->reconnect_ms * NS_PER_MS);
    event_add(p->retry_ev, &tv);
}

static void close_link(struct primary *p, bool flush)
{
    if (!p->link)
        return;
    p->bytes_before += link_bytes_sent(p->link);
    link_free(p->link, flush);
    p->link = NULL;
    if (p->greet_ev)
        event_del(p->greet_ev);
}

void primary_lost(struct primary *p, const char *cause, const char *text)
{
    if (p->phase == PRIMARY_ENDED)
        return;
    close_link(p, true);
    if (!p->ever_welcomed && p->protect_id) {
        struct err err;
        (void)err_set(&err, "see the backup's log", "%s", text);
        primary_refuse(p, "unreachable", &err);
        return;
    }
    p->phase = PRIMARY_CONNECTING;
    primary_loop_reset(p);
    child_degrade(&p->child, "unprotected", "%s: %s", cause, text);
    primary_status_send(p);
    retry_later(p);
}

/** No epoch of ours can be activated any more: the guest needs no lease and no held output. */
void primary_released(struct primary *p)
{
    struct err err;

    lease_held_end(&p->lease);
    if (output_give(&p->output, &err) < 0)
        child_degrade(&p->child, "network", "guest's network not restored: %s", err.text);
    else
        child_restore(&p->child, "network");
    primary_let(p, HOLD_LEASE | HOLD_LEAVING);
}

/* ---- records from the backup ---- */

static void on_welcome(struct primary *p, const struct msg_welcome *m)
{
    event_del(p->greet_ev);
    p->welcome = *m;
    p->ever_welcomed = true;
    (void)FAULT(primary_welcomed);
    primary_released(p);
    if (primary_record(p, VM_WANTED) < 0) {
        primary_lost(p, "state-dir", "the VM's record could not be made durable");
        return;
    }
    child_reply_ok(&p->child, p->protect_id,
                   json_pack("{s:s, s:s}", "uuid", p->child.uuid_text, "name", p->child.name));
    p->protect_id = 0;
    child_event(&p->child, LOG_LEVEL_INFO, "connected", "backup %s accepted generation %llu",
                p->rec.peer, (unsigned long long)p->rec.generation);
    p->phase = PRIMARY_SYNCING;
    if (p->goal == GOAL_PROTECT || p->goal == GOAL_FAILOVER)
        primary_sync_start(p);
    else
        primary_leave_step(p);
}

static const char *reject_code(uint16_t code)
{
    return code == WIRE_REJECT_BUSY ? "busy" : "refused";
}

static void on_reject(struct primary *p, const struct msg_reject *m)
{
    if (m->code == WIRE_REJECT_FENCED) {
        primary_fenced(p, m->text, m->generation);
        return;
    }
    /* An answer that names our own generation: the backup has given up everything older. */
    if (m->generation == p->rec.generation)
        primary_released(p);
    if (!p->ever_welcomed && p->protect_id) {
        struct err err;
        /* A backup that remembers a later generation while this host remembers none: go beyond it.
         */
        if (m->code == WIRE_REJECT_GENERATION && m->generation > p->rec.generation && !p->had_rec) {
            p->rec.generation = m->generation;
            p->had_rec = true;
            close_link(p, false);
            primary_connect(p);
            return;
        }
        (void)err_set(&err, "see the backup's log", "the backup refused: %s", m->text);
        primary_refuse(p, reject_code(m->code), &err);
        return;
    }
    char text[WIRE_TEXT_MAX + 32];
    snprintf(text, sizeof(text), "the backup refused: %s", m->text);
    primary_lost(p, "rejected", text);
}

static void on_bye(struct primary *p, const struct msg_bye *m)
{
    char text[WIRE_TEXT_MAX + 64];
    struct wcur *w = link_room(p->link, SMALL_RECORD);
    if (w) {
        if (!session_put_bye_ack(link_session(p->link), w))
            log_debug("BYE not acknowledged");
        link_commit(p->link);
    }
    primary_released(p);
    if (primary_record(p, VM_WANTED) < 0)
        child_degrade(&p->child, "state-dir", "the VM's record could not be made durable");
    if (p->goal != GOAL_PROTECT && p->goal != GOAL_FAILOVER) {
        primary_bye_acked(p);
        return;
    }
    snprintf(text, sizeof(text), "the backup left: %s", m->text);
    primary_lost(p, "backup-left", text);
}

static void on_frames_in(struct primary *p, const struct msg_frames *m)
{
    struct frames_iter it = {0};
    const uint8_t *frame;
    uint32_t len;
    while (msg_frames_next(m, &it, &frame, &len))
        output_inject(&p->output, frame, len);
}

static void on_beat_ack(struct primary *p, const struct msg_ack *m)
{
    /* Only times that we stamped ourselves, and not in the future, can extend the lease. */
    struct mono sent = {(int64_t)m->sent_ns};
    if (m->sent_ns <= INT64_MAX && !mono_before(p->last_asked, sent))
        primary_lease_renew(p, sent, m->lease_ms);
}

static void on_record(struct link *link, const struct session_event *ev, void *arg)
{
    struct primary *p = arg;
    (void)link;

    primary_heard(p);
    switch (ev->type) {
    case WIRE_WELCOME:
        on_welcome(p, &ev->u.welcome);
        break;
    case WIRE_ACK:
        primary_sealed(p, &ev->u.ack);
        break;
    case WIRE_BEAT_ACK:
        on_beat_ack(p, &ev->u.ack);
        break;
    case WIRE_FRAMES_IN:
        on_frames_in(p, &ev->u.frames);
        break;
    case WIRE_HANDOVER_ACK:
        primary_handed_over(p, ev->u.handover_ack.generation);
        break;
    case WIRE_REJECT:
        on_reject(p, &ev->u.reject);
        break;
    case WIRE_BYE:
        on_bye(p, &ev->u.bye);
        break;
    case WIRE_BYE_ACK:
        primary_bye_acked(p);
        break;
    default: /* the session lets nothing else through to a primary */
        break;
    }
}

static void on_end(struct link *link, enum link_end why, const char *text, void *arg)
{
    static const char *const cause[] = {
        [LINK_EOF] = "link-lost", [LINK_ERROR] = "link-lost", [LINK_PROTOCOL] = "protocol"};
    (void)link;
    primary_lost(arg, cause[why], text);
}

static void on_room(struct link *link, void *arg)
{
    struct primary *p = arg;
    (void)link;
    if (p->coding)
        primary_code(p);
    else
        primary_try_epoch(p);
}

/* ---- connecting ---- */

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
    struct wcur *w = link_room(p->link, len + SMALL_RECORD);
    bool ok = w && session_put_hello(link_session(p->link), w, &m);
    if (w)
        link_commit(p->link);
    return ok ? 0 : err_set(err, "", "HELLO could not be built");
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
    static const struct link_ops ops = {on_record, on_end, on_room};

    p->rec.generation++;
    if (primary_record(p, p->rec.state) < 0) {
        close(fd);
        return err_set(err, "check state_dir", "the new generation could not be made durable");
    }
    p->link = link_new(p->child.base, fd, SESSION_PRIMARY, p->rec.generation,
                       (size_t)p->conf->link_buffer_kb * 1024, &ops, p);
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
    struct timeval tv = mono_span_tv(p->conf->connect_timeout_ms * NS_PER_MS);
    event_add(p->greet_ev, &tv);
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

void primary_connect(struct primary *p)
{
    struct err err;
    if (p->dial || p->link || p->phase == PRIMARY_ENDED)
        return;
    p->phase = PRIMARY_CONNECTING;
    p->dial =
        dial_start(p->child.base, p->rec.peer, p->conf->connect_timeout_ms, on_dialed, p, &err);
    if (!p->dial)
        primary_lost(p, "unreachable", err.text);
}
