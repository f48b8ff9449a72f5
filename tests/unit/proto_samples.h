/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_PROTO_SAMPLES_H
#define REMUS_TESTS_PROTO_SAMPLES_H

#include <stdlib.h>
#include <string.h>

#include "proto/session.h"

/** Messages with a different value in every field, and a pair of sessions to send them through. */

#define SAMPLE_GENERATION 0x1122334455667788ull
#define SAMPLE_PAGES      4096u
#define SAMPLE_STAGING    64u

static inline struct msg_hello sample_hello(void)
{
    static const uint8_t desc[] = "vcpus=2 memory=16";
    struct msg_hello m = {.version_min = 1,
                          .version_max = 1,
                          .features = WIRE_FEATURES_ALL,
                          .pages = SAMPLE_PAGES,
                          .epoch_ms = 25,
                          .hold = WIRE_HOLD_PRIMARY,
                          .name = "b\xc3\xbcro-1",
                          .desc_len = sizeof(desc) - 1,
                          .desc = desc,
                          .backend = "sim"};
    for (uint8_t i = 0; i < sizeof(m.uuid); i++)
        m.uuid[i] = (uint8_t)(0xa0 + i);
    return m;
}

static inline struct msg_welcome sample_welcome(uint32_t features)
{
    return (struct msg_welcome){
        .version = 1, .features = features, .lease_ms = 1000, .staging_pages = SAMPLE_STAGING};
}

static inline struct msg_epoch_begin sample_begin(uint64_t epoch, uint32_t flags)
{
    return (struct msg_epoch_begin){.epoch = epoch, .flags = flags, .sent_ns = epoch * 1000};
}

static inline struct msg_addrs sample_addrs(uint64_t epoch)
{
    return (struct msg_addrs){
        .epoch = epoch,
        .count = 2,
        .addr = {{.family = 4, .mac = {2, 0, 0, 0, 0, 1}, .ip = {192, 0, 2, 7}},
                 {.family = 6,
                  .mac = {2, 0, 0, 0, 0, 1},
                  .vlan = 100,
                  .ip = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}}}};
}

static inline struct msg_epoch_end sample_end(uint64_t epoch, uint64_t pages, uint64_t frames)
{
    struct msg_epoch_end m = {
        .epoch = epoch, .pages = pages, .frames = frames, .sent_ns = epoch * 1000 + 500};
    memset(m.digest, 0xd1, sizeof(m.digest));
    memset(m.image_digest, 0xd2, sizeof(m.image_digest));
    return m;
}

static inline struct msg_reject sample_reject(uint16_t code)
{
    return (struct msg_reject){.code = code, .generation = SAMPLE_GENERATION + 1, .text = "no"};
}

static inline struct msg_bye sample_bye(uint16_t reason)
{
    return (struct msg_bye){.reason = reason, .text = "until later"};
}

/** One octet pattern that LZ4 cannot shrink, another for each seed. */
static inline void sample_noise(uint8_t *buf, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        buf[i] = (uint8_t)(seed >> 24);
    }
}

static inline bool session_says(const struct session *s, const char *part)
{
    return strstr(s->error, part) != NULL;
}

/** Both ends of a connection with one record buffer between them. */
struct pair {
    struct session primary, backup;
    struct session_event ev; /* of the last record received, pointing into `last` */
    uint8_t *out, *last;
    struct wcur w;
};

static inline void pair_init(struct pair *p)
{
    memset(p, 0, sizeof(*p));
    session_init(&p->primary, SESSION_PRIMARY, SAMPLE_GENERATION);
    session_init(&p->backup, SESSION_BACKUP, 0);
    p->out = malloc(session_record_max());
    if (!p->out)
        abort();
    p->w = (struct wcur){.p = p->out, .end = p->out + session_record_max()};
}

static inline void pair_free(struct pair *p)
{
    free(p->out);
    free(p->last);
}

/** Room for the next record; pair_taken says how long it became. */
static inline struct wcur *pair_room(struct pair *p)
{
    p->w = (struct wcur){.p = p->out, .end = p->out + session_record_max()};
    return &p->w;
}

static inline size_t pair_taken(const struct pair *p)
{
    return (size_t)(p->w.p - p->out);
}

/** session_recv of exactly `n` octets in a block of that size. */
static inline int pair_recv(struct pair *p, struct session *to, const uint8_t *buf, size_t n)
{
    size_t used, need;

    free(p->last);
    p->last = malloc(n ? n : 1);
    if (!p->last)
        abort();
    memcpy(p->last, buf, n);
    int r = session_recv(to, p->last, n, &p->ev, &used, &need);
    if (used != (r == 1 ? n : 0) && r >= 0 && used != n)
        abort();
    return r;
}

/** Brings what was just put to the other side. */
static inline int pair_carry(struct pair *p, struct session *to)
{
    return pair_recv(p, to, p->out, pair_taken(p));
}

/** p->primary puts, p->backup takes; and the other way round. */
#define FORTH(p, put, msg)                                                                         \
    (put(&(p)->primary, pair_room(p), (msg)) && pair_carry(p, &(p)->backup) == 1)
#define BACK(p, put, msg)                                                                          \
    (put(&(p)->backup, pair_room(p), (msg)) && pair_carry(p, &(p)->primary) == 1)

static inline bool pair_open(struct pair *p, uint32_t features)
{
    struct msg_hello hello = sample_hello();
    struct msg_welcome welcome = sample_welcome(features);

    pair_init(p);
    return FORTH(p, session_put_hello, &hello) && BACK(p, session_put_welcome, &welcome);
}

static inline bool pair_begin(struct pair *p, uint32_t flags)
{
    struct msg_epoch_begin m = sample_begin(p->primary.epoch + 1, flags);

    return FORTH(p, session_put_epoch_begin, &m);
}

/** The whole state in one record, then EPOCH_END with the right counts. */
static inline bool pair_finish(struct pair *p)
{
    static const uint8_t octets[] = "registers";
    struct msg_state state = {.epoch = p->primary.epoch,
                              .total_len = sizeof(octets),
                              .len = sizeof(octets),
                              .data = octets};
    struct msg_epoch_end m = sample_end(p->primary.epoch, p->primary.pages, p->primary.frames);

    return FORTH(p, session_put_state, &state) && FORTH(p, session_put_epoch_end, &m);
}

static inline bool pair_epoch(struct pair *p)
{
    return pair_begin(p, p->primary.epoch == 0 ? WIRE_EPOCH_FULL : 0) && pair_finish(p);
}

static inline struct msg_ack sample_ack(const struct pair *p, uint64_t epoch)
{
    return (struct msg_ack){.epoch = epoch, .sent_ns = p->backup.sent_ns, .lease_ms = 900};
}

static inline bool pair_seal(struct pair *p)
{
    struct msg_ack m = sample_ack(p, p->backup.ended);

    return BACK(p, session_put_ack, &m);
}

#endif
