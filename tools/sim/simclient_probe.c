/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"
#include "tools/sim/simclient.h"
#include "tools/sim/simclient_station.h"
#include "tools/sim/simclient_stats.h"
#include "tools/sim/simvm_net.h"

#define SOURCE_PORT 40001
#define MAGIC       "RmPr"
#define HEAD_LEN    12 /* magic, number as u64 little-endian; the rest follows from the number */

/** One of a numbered sequence; what comes back must be what went out. */
struct probe_sent {
    struct mono at;
    bool answered;
};

struct probe {
    struct client *c;
    bool udp; /* else reflected frames */
    struct probe_sent *sent;
    size_t count, cap;
    struct mono last_sent;
    struct samples rtt;
    struct gap gap;
    uint64_t received, duplicates, corrupt;
    uint8_t payload[WIRE_PAYLOAD_MAX];
};

static void *probe_start(struct client *c)
{
    struct probe *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;

    m->c = c;
    m->udp = c->conf->mode != &client_reflect;
    return m;
}

static void probe_free(void *arg)
{
    struct probe *m = arg;

    samples_free(&m->rtt);
    free(m->sent);
    free(m);
}

static void fill(uint8_t *payload, size_t len, uint64_t number)
{
    uint64_t le = htole64(number);

    memcpy(payload, MAGIC, 4);
    memcpy(payload + 4, &le, 8);
    for (size_t i = HEAD_LEN; i < len; i++)
        payload[i] = (uint8_t)(number + i);
}

static int note_sent(struct probe *m, struct mono now)
{
    if (m->count == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 1024;
        struct probe_sent *more = reallocarray(m->sent, cap, sizeof(*more));
        if (!more)
            return -1;
        m->sent = more;
        m->cap = cap;
    }
    m->sent[m->count] = (struct probe_sent){.at = now};
    return 0;
}

static void send_next(struct probe *m)
{
    const struct client_conf *conf = m->c->conf;
    size_t len = (size_t)conf->size;
    struct mono now = mono_now();

    if (note_sent(m, now) < 0) {
        log_err("run cut short");
        client_stop(m->c, now);
        return;
    }
    fill(m->payload, len, m->count++);
    m->last_sent = now;
    if (m->udp)
        station_udp(m->c->station, SOURCE_PORT, NET_PORT_ECHO, m->payload, len);
    else
        station_reflect(m->c->station, m->payload, len);
    if (conf->count && m->count >= (size_t)conf->count)
        client_stop(m->c, now);
}

static void probe_ready(void *arg, struct mono now)
{
    struct probe *m = arg;

    gap_begin(&m->gap, now);
    send_next(m);
}

/** The number of the probe that came back whole, or -1. */
static int64_t number_of(struct probe *m, const struct wire_got *got)
{
    size_t len = (size_t)m->c->conf->size;
    uint64_t le;

    /* Short frames come back filled up to Ethernet's least length. */
    if (got->len < len || (m->udp && got->len != len))
        return -1;
    memcpy(&le, got->payload + 4, 8);
    if (le64toh(le) >= m->count)
        return -1;
    fill(m->payload, len, le64toh(le));
    return memcmp(m->payload, got->payload, len) == 0 ? (int64_t)le64toh(le) : -1;
}

static void probe_got(void *arg, enum wire_kind kind, const struct wire_got *got, struct mono now)
{
    struct probe *m = arg;

    if (kind != (m->udp ? WIRE_UDP : WIRE_REFLECTED))
        return;
    if (m->udp && (got->sport != NET_PORT_ECHO || got->dport != SOURCE_PORT))
        return;
    int64_t number = number_of(m, got);
    if (number < 0) {
        m->corrupt++;
        return;
    }
    struct probe_sent *sent = &m->sent[number];
    if (sent->answered) {
        m->duplicates++;
        return;
    }
    sent->answered = true;
    m->received++;
    gap_answer(&m->gap, now);
    if (samples_add(&m->rtt, mono_sub(now, sent->at)) < 0)
        client_stop(m->c, now);
}

static void probe_tick(void *arg, struct mono now)
{
    struct probe *m = arg;
    const struct client *c = m->c;

    if (!c->stopping && mono_sub(now, m->last_sent) >= c->conf->interval_ms * NS_PER_MS)
        send_next(m);
}

static void probe_stop(void *arg, struct mono now)
{
    struct probe *m = arg;

    /* A silence at the end is one too, but not the time until the last probe's answer. */
    if (m->count > 0 && m->last_sent.ns != now.ns)
        gap_answer(&m->gap, now);
}

static bool probe_done(const void *arg)
{
    const struct probe *m = arg;
    const struct client *c = m->c;

    if (!c->stopping)
        return false;
    return m->received == m->count ||
           mono_sub(mono_now(), m->last_sent) >= c->conf->timeout_ms * NS_PER_MS;
}

static void probe_live(const void *arg, FILE *to)
{
    const struct probe *m = arg;

    fprintf(to, "%s: %zu sent, %llu received, longest gap %lld ms\n", m->c->conf->mode->name,
            m->count, (unsigned long long)m->received, (long long)(m->gap.longest_ns / NS_PER_MS));
}

static json_t *probe_report(void *arg, enum client_status *status)
{
    struct probe *m = arg;
    json_t *report = json_pack(
        "{ss sI sI sI sI sI sI so}", "mode", m->c->conf->mode->name, "sent", (json_int_t)m->count,
        "received", (json_int_t)m->received, "lost", (json_int_t)(m->count - m->received),
        "duplicates", (json_int_t)m->duplicates, "corrupt", (json_int_t)m->corrupt, "bad",
        (json_int_t)station_bad(m->c->station), "rtt_us", samples_json(&m->rtt));

    *status = m->corrupt ? CLIENT_VIOLATION : m->received ? CLIENT_GOOD : CLIENT_SILENCE;
    if (report)
        gap_report(&m->gap, report);
    return report;
}

#define PROBE(name_, v6_)                                                                          \
    {                                                                                              \
        .name = name_, .interval_ms = 10, .v6_only = v6_, .start = probe_start,                    \
        .ready = probe_ready, .got = probe_got, .tick = probe_tick, .stop = probe_stop,            \
        .done = probe_done, .live = probe_live, .report = probe_report, .free = probe_free,        \
    }

const struct client_mode client_echo = PROBE("echo", false);
const struct client_mode client_reflect = PROBE("reflect", false);
const struct client_mode client_ping6 = PROBE("ping6", true);
