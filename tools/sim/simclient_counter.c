/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "engine/base/log.h"
#include "tools/sim/history.h"
#include "tools/sim/simclient.h"
#include "tools/sim/simclient_ask.h"
#include "tools/sim/simclient_judge.h"
#include "tools/sim/simclient_station.h"
#include "tools/sim/simclient_stats.h"
#include "tools/sim/simvm_net.h"

#define SOURCE_PORT 40000

/** One logical client: it has one request at a time on its way. */
struct asker {
    uint64_t id;
    uint64_t request; /* the newest one's number */
    size_t op;        /* and its place in the history */
    bool waiting, answered;
    struct mono first_sent, last_sent;
};

enum phase { PHASE_FIRST_READ, PHASE_LOAD, PHASE_LAST_READ, PHASE_DONE };

struct counter {
    struct client *c;
    enum phase phase;
    struct asker *asker; /* conf->clients of them, then the one that reads */
    struct asker *reader;
    struct history history;
    struct gap gap;
    int64_t increments;
    uint64_t retries, late;
    json_t *unsteady; /* retries that were answered otherwise than the first time */
};

static void *counter_start(struct client *c)
{
    size_t n = (size_t)c->conf->clients + 1;
    struct counter *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;

    m->c = c;
    history_init(&m->history);
    m->unsteady = json_array();
    m->asker = calloc(n, sizeof(*m->asker));
    if (!m->asker || !m->unsteady) {
        client_counter.free(m);
        return NULL;
    }
    m->reader = &m->asker[n - 1];
    for (size_t i = 0; i < n; i++) {
        m->asker[i].id = ask_client_id(c->conf->path.us.mac, i);
        m->asker[i].request = ask_first_request();
    }
    return m;
}

static void counter_free(void *arg)
{
    struct counter *m = arg;

    history_free(&m->history);
    json_decref(m->unsteady);
    free(m->asker);
    free(m);
}

static void transmit(struct counter *m, struct asker *a, struct mono now)
{
    bool read = m->history.op[a->op].kind == HISTORY_READ;
    uint8_t msg[COUNTER_REQUEST_LEN];

    ask_put(msg, read ? 'R' : 'I', a->id, a->request);
    a->last_sent = now;
    station_udp(m->c->station, SOURCE_PORT, NET_PORT_COUNTER, msg, sizeof(msg));
}

static void begin(struct counter *m, struct asker *a, enum history_kind kind)
{
    struct mono now = mono_now();

    a->request++;
    if (history_add(&m->history, kind, a->id, a->request, now.ns, &a->op) < 0) {
        log_err("run cut short");
        client_stop(m->c, now);
        return;
    }
    a->waiting = true;
    a->answered = false;
    a->first_sent = now;
    transmit(m, a, now);
}

static void begin_increment(struct counter *m, struct asker *a)
{
    const struct client_conf *conf = m->c->conf;

    m->increments++;
    begin(m, a, HISTORY_INCREMENT);
    if (conf->count && m->increments >= conf->count)
        client_stop(m->c, a->last_sent);
}

static void counter_ready(void *arg, struct mono now)
{
    struct counter *m = arg;

    gap_begin(&m->gap, now);
    begin(m, m->reader, HISTORY_READ);
}

static void counter_stop(void *arg, struct mono now)
{
    struct counter *m = arg;

    if (m->phase == PHASE_LOAD)
        gap_answer(&m->gap, now); /* a silence at the end is one too */
}

static void begin_load(struct counter *m, struct mono now)
{
    m->phase = PHASE_LOAD;
    gap_begin(&m->gap, now);
}

static bool may_begin(const struct counter *m, const struct asker *a, struct mono now)
{
    return m->phase == PHASE_LOAD && !m->c->stopping && a != m->reader && !a->waiting &&
           mono_sub(now, a->first_sent) >= m->c->conf->interval_ms * NS_PER_MS;
}

/** A second answer to a request must say what the first said; reads may differ. */
static void check_late(struct counter *m, const struct asker *a, uint64_t request, uint64_t value)
{
    const struct history_op *op = &m->history.op[a->op];
    char text[128];

    m->late++;
    if (!a->answered || request != a->request || op->kind == HISTORY_READ || op->value == value)
        return;
    snprintf(text, sizeof(text), "client %llx request %llu was answered %llu, then %llu",
             (unsigned long long)a->id, (unsigned long long)request, (unsigned long long)op->value,
             (unsigned long long)value);
    json_array_append_new(m->unsteady, json_pack("{ss ss}", "kind", "unsteady", "text", text));
}

static void answered(struct counter *m, struct asker *a, uint64_t value, struct mono now)
{
    history_answer(&m->history, a->op, value, now.ns);
    a->waiting = false;
    a->answered = true;
    if (m->phase == PHASE_FIRST_READ)
        begin_load(m, now);
    else if (m->phase == PHASE_LOAD && !m->c->stopping)
        gap_answer(&m->gap, now);
    if (may_begin(m, a, now))
        begin_increment(m, a);
}

static struct asker *find(struct counter *m, uint64_t id)
{
    uint64_t index = id - m->asker[0].id;

    return index <= (uint64_t)m->c->conf->clients ? &m->asker[index] : NULL;
}

static void counter_got(void *arg, enum wire_kind kind, const struct wire_got *got, struct mono now)
{
    struct counter *m = arg;
    struct ask_answer answer;

    if (kind != WIRE_UDP || got->sport != NET_PORT_COUNTER || got->dport != SOURCE_PORT ||
        !ask_get(got->payload, got->len, &answer))
        return;
    struct asker *a = find(m, answer.client);
    if (!a)
        return;
    if (a->waiting && answer.request == a->request)
        answered(m, a, answer.value, now);
    else
        check_late(m, a, answer.request, answer.value);
}

static void tick_asker(struct counter *m, struct asker *a, struct mono now)
{
    const struct client_conf *conf = m->c->conf;

    if (may_begin(m, a, now)) {
        begin_increment(m, a);
        return;
    }
    if (!a->waiting || mono_sub(now, a->last_sent) < conf->retry_ms * NS_PER_MS)
        return;
    if (mono_sub(now, a->first_sent) >= conf->timeout_ms * NS_PER_MS) {
        a->waiting = false;
        return;
    }
    m->history.op[a->op].tries++;
    m->retries++;
    transmit(m, a, now);
}

static bool all_quiet(const struct counter *m)
{
    for (int64_t i = 0; i <= m->c->conf->clients; i++)
        if (m->asker[i].waiting)
            return false;
    return true;
}

static void counter_tick(void *arg, struct mono now)
{
    struct counter *m = arg;

    for (int64_t i = 0; i <= m->c->conf->clients; i++)
        tick_asker(m, &m->asker[i], now);
    if (!all_quiet(m))
        return;
    if (m->phase == PHASE_FIRST_READ || m->phase == PHASE_LAST_READ) {
        m->phase = PHASE_DONE; /* timed out, or answered the last time */
    } else if (m->phase == PHASE_LOAD && m->c->stopping) {
        m->phase = PHASE_LAST_READ;
        begin(m, m->reader, HISTORY_READ);
    }
}

static bool counter_done(const void *arg)
{
    return ((const struct counter *)arg)->phase == PHASE_DONE;
}

static void counter_live(const void *arg, FILE *to)
{
    const struct counter *m = arg;

    fprintf(to, "counter: %lld increments sent, %zu answered, %llu retries, longest gap %lld ms\n",
            (long long)m->increments, history_answered(&m->history, HISTORY_INCREMENT),
            (unsigned long long)m->retries, (long long)(m->gap.longest_ns / NS_PER_MS));
}

static void save_history(const struct counter *m)
{
    const char *path = m->c->conf->history;
    FILE *to = fopen(path, "we");

    if (!to || history_write(&m->history, to) < 0)
        log_err("history '%s' is not complete", path);
    if (to)
        fclose(to);
}

static json_t *counter_report(void *arg, enum client_status *status)
{
    struct counter *m = arg;
    json_t *report = json_object();

    if (m->c->conf->history)
        save_history(m);
    *status = counter_judge(&m->history, !m->c->conf->shared, m->unsteady, report);
    json_object_set_new(report, "retries", json_integer((json_int_t)m->retries));
    json_object_set_new(report, "late", json_integer((json_int_t)m->late));
    json_object_set_new(report, "bad", json_integer((json_int_t)station_bad(m->c->station)));
    gap_report(&m->gap, report);
    return report;
}

const struct client_mode client_counter = {
    .name = "counter",
    .interval_ms = 1,
    .start = counter_start,
    .ready = counter_ready,
    .got = counter_got,
    .tick = counter_tick,
    .stop = counter_stop,
    .done = counter_done,
    .live = counter_live,
    .report = counter_report,
    .free = counter_free,
};
