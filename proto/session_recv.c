/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/session_impl.h"

#include <inttypes.h>

#define BREACH(s, ...) session_breach(s, WIRE_REJECT_PROTOCOL, __VA_ARGS__)

#define CRC_OFFSET 12u

struct header {
    uint32_t magic, len, crc;
    uint16_t type, flags;
    uint64_t generation, seq;
    const struct record_rule *rule; /* NULL: an optional type that is not known here */
};

static void header_get(const uint8_t *buf, struct header *h)
{
    struct rcur r = {.p = buf, .end = buf + WIRE_HEADER_LEN};

    h->magic = rcur_u32(&r);
    h->type = rcur_u16(&r);
    h->flags = rcur_u16(&r);
    h->len = rcur_u32(&r);
    h->crc = rcur_u32(&r);
    h->generation = rcur_u64(&r);
    h->seq = rcur_u64(&r);
    h->rule = session_rule(h->type);
}

/** What can be said before the state is asked: the form of the record. */
static bool form_valid(struct session *s, const struct header *h)
{
    if (h->magic != WIRE_MAGIC)
        return BREACH(s, "not a record: magic 0x%08" PRIx32, h->magic);
    if (h->flags != 0)
        return BREACH(s, "reserved flags 0x%04x are set", h->flags);
    if (h->len > WIRE_PAYLOAD_MAX)
        return BREACH(s, "a payload of %" PRIu32 " octets", h->len);
    if (!h->rule)
        return (h->type & WIRE_TYPE_OPTIONAL) || BREACH(s, "unknown record type %u", h->type);
    return (h->len >= h->rule->min && h->len <= h->rule->max) ||
           BREACH(s, "%s with a payload of %" PRIu32 " octets", h->rule->name, h->len);
}

static bool generation_valid(struct session *s, const struct header *h)
{
    bool unknown = s->role == SESSION_BACKUP && s->phase == SESSION_START;

    if (h->type == WIRE_REJECT || unknown || h->generation == s->generation)
        return true;
    return BREACH(s, "generation %" PRIu64 " in a session of generation %" PRIu64, h->generation,
                  s->generation);
}

static bool header_valid(struct session *s, const struct header *h)
{
    if (!form_valid(s, h))
        return false;
    if (h->rule && !session_may(s, h->rule, session_peer(s)))
        return false;
    if (!generation_valid(s, h))
        return false;
    return h->seq == s->rx_seq ||
           BREACH(s, "sequence %" PRIu64 " where %" PRIu64 " is next", h->seq, s->rx_seq);
}

static bool crc_valid(struct session *s, const struct header *h, const uint8_t *buf)
{
    static const uint8_t zero[4];
    const size_t after = CRC_OFFSET + sizeof(zero);

    uint32_t crc = wire_crc32c(0, buf, CRC_OFFSET);
    crc = wire_crc32c(crc, zero, sizeof(zero));
    crc = wire_crc32c(crc, buf + after, WIRE_HEADER_LEN - after + h->len);
    return crc == h->crc || BREACH(s, "checksum wrong");
}

/** A table would need a cast per type; the compiler checks this. */
static bool decode(struct rcur *r, struct session_event *ev)
{
    switch (ev->type) {
    case WIRE_HELLO:
        return msg_hello_get(r, &ev->u.hello);
    case WIRE_EPOCH_BEGIN:
        return msg_epoch_begin_get(r, &ev->u.begin);
    case WIRE_PAGES:
        return msg_pages_get(r, &ev->u.pages);
    case WIRE_STATE:
        return msg_state_get(r, &ev->u.state);
    case WIRE_FRAMES:
    case WIRE_FRAMES_IN:
        return msg_frames_get(r, &ev->u.frames);
    case WIRE_ADDRS:
        return msg_addrs_get(r, &ev->u.addrs);
    case WIRE_EPOCH_END:
        return msg_epoch_end_get(r, &ev->u.end);
    case WIRE_BEAT:
        return msg_beat_get(r, &ev->u.beat);
    case WIRE_HANDOVER:
        return msg_handover_get(r, &ev->u.handover);
    case WIRE_WELCOME:
        return msg_welcome_get(r, &ev->u.welcome);
    case WIRE_ACK:
    case WIRE_BEAT_ACK:
        return msg_ack_get(r, &ev->u.ack);
    case WIRE_HANDOVER_ACK:
        return msg_handover_ack_get(r, &ev->u.handover_ack);
    case WIRE_REJECT:
        return msg_reject_get(r, &ev->u.reject);
    case WIRE_BYE:
        return msg_bye_get(r, &ev->u.bye);
    case WIRE_BYE_ACK:
        return rcur_done(r);
    }
    return false;
}

static bool take_hello(struct session *s, const struct session_event *ev)
{
    const struct msg_hello *m = &ev->u.hello;

    s->generation = ev->generation;
    if (m->version_min > WIRE_VERSION_MAX || m->version_max < WIRE_VERSION_MIN)
        return session_breach(s, WIRE_REJECT_VERSION,
                              "versions %u to %u are offered, %u to %u spoken here", m->version_min,
                              m->version_max, WIRE_VERSION_MIN, WIRE_VERSION_MAX);
    return session_step_hello(s, m);
}

static bool step(struct session *s, const struct session_event *ev)
{
    switch (ev->type) {
    case WIRE_HELLO:
        return take_hello(s, ev);
    case WIRE_EPOCH_BEGIN:
        return session_step_epoch_begin(s, &ev->u.begin);
    case WIRE_PAGES:
        return session_step_pages(s, &ev->u.pages);
    case WIRE_STATE:
        return session_step_state(s, &ev->u.state);
    case WIRE_FRAMES:
        return session_step_frames(s, &ev->u.frames);
    case WIRE_FRAMES_IN:
        return session_step_frames_in(s, &ev->u.frames);
    case WIRE_ADDRS:
        return session_step_addrs(s, &ev->u.addrs);
    case WIRE_EPOCH_END:
        return session_step_epoch_end(s, &ev->u.end);
    case WIRE_BEAT:
        return session_step_beat(s, &ev->u.beat);
    case WIRE_HANDOVER:
        return session_step_handover(s, &ev->u.handover);
    case WIRE_WELCOME:
        return session_step_welcome(s, &ev->u.welcome);
    case WIRE_ACK:
        return session_step_ack(s, &ev->u.ack);
    case WIRE_BEAT_ACK:
        return session_step_beat_ack(s, &ev->u.ack);
    case WIRE_HANDOVER_ACK:
        return session_step_handover_ack(s, &ev->u.handover_ack);
    case WIRE_REJECT:
        return session_step_reject(s);
    case WIRE_BYE:
        return session_step_bye(s, session_peer(s));
    case WIRE_BYE_ACK:
        return session_step_bye_ack(s, session_peer(s));
    }
    return false;
}

static bool take(struct session *s, const struct header *h, const uint8_t *payload,
                 struct session_event *ev)
{
    struct rcur r = {.p = payload, .end = payload + h->len};

    ev->type = h->rule->type;
    ev->generation = h->generation;
    return (decode(&r, ev) || BREACH(s, "%s malformed", h->rule->name)) && step(s, ev);
}

static int die(struct session *s)
{
    session_die(s);
    return -1;
}

int session_recv(struct session *s, const uint8_t *buf, size_t n, struct session_event *ev,
                 size_t *used, size_t *need)
{
    struct header h;

    *used = 0;
    *need = WIRE_HEADER_LEN;
    if (s->phase == SESSION_DEAD) {
        if (s->error[0] == '\0')
            (void)BREACH(s, "the session is over");
        return -1;
    }
    if (n < WIRE_HEADER_LEN)
        return 0;
    header_get(buf, &h);
    if (!header_valid(s, &h))
        return die(s);
    *need = WIRE_HEADER_LEN + h.len;
    if (n < *need)
        return 0;
    if (!crc_valid(s, &h, buf))
        return die(s);
    s->rx_seq++;
    if (h.rule && !take(s, &h, buf + WIRE_HEADER_LEN, ev))
        return die(s);
    *used = WIRE_HEADER_LEN + h.len;
    return h.rule ? 1 : 0;
}
