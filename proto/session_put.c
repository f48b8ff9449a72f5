/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/session_impl.h"

void session_seal_record(struct session *s, uint8_t *start, enum wire_type type, uint32_t len)
{
    struct wcur w = {.p = start, .end = start + WIRE_HEADER_LEN};

    wcur_u32(&w, WIRE_MAGIC);
    wcur_u16(&w, type);
    wcur_u16(&w, 0);
    wcur_u32(&w, len);
    struct wcur crc = w;
    wcur_u32(&w, 0);
    wcur_u64(&w, s->generation);
    wcur_u64(&w, s->tx_seq++);
    wcur_u32(&crc, wire_crc32c(0, start, WIRE_HEADER_LEN + len));
}

/** A cursor for the payload behind the header; false: not legal now, or no room for the least. */
static bool begin(struct session *s, const struct wcur *w, enum wire_type type, struct wcur *body)
{
    const struct record_rule *rule = session_rule(type);

    /* Whoever found an error says so from a session that is dead already. */
    bool last_word = type == WIRE_REJECT;
    if (!last_word && !session_may(s, rule, s->role))
        return false;
    size_t room = (size_t)(w->end - w->p);
    if (w->bad || room < WIRE_HEADER_LEN + rule->min)
        return false;
    room -= WIRE_HEADER_LEN;
    body->p = w->p + WIRE_HEADER_LEN;
    body->end = body->p + (room < rule->max ? room : rule->max);
    body->bad = false;
    return true;
}

static bool end(struct session *s, struct wcur *w, enum wire_type type, const struct wcur *body)
{
    session_seal_record(s, w->p, type, (uint32_t)(body->p - w->p - WIRE_HEADER_LEN));
    w->p = body->p;
    return true;
}

/* Encode, then step: a message that does not fit has changed nothing. */

bool session_put_hello(struct session *s, struct wcur *w, const struct msg_hello *m)
{
    struct wcur body;

    return begin(s, w, WIRE_HELLO, &body) && msg_hello_put(&body, m) && session_step_hello(s, m) &&
           end(s, w, WIRE_HELLO, &body);
}

bool session_put_welcome(struct session *s, struct wcur *w, const struct msg_welcome *m)
{
    struct wcur body;

    return begin(s, w, WIRE_WELCOME, &body) && msg_welcome_put(&body, m) &&
           session_step_welcome(s, m) && end(s, w, WIRE_WELCOME, &body);
}

bool session_put_epoch_begin(struct session *s, struct wcur *w, const struct msg_epoch_begin *m)
{
    struct wcur body;

    return begin(s, w, WIRE_EPOCH_BEGIN, &body) && msg_epoch_begin_put(&body, m) &&
           session_step_epoch_begin(s, m) && end(s, w, WIRE_EPOCH_BEGIN, &body);
}

bool session_put_state(struct session *s, struct wcur *w, const struct msg_state *m)
{
    struct wcur body;

    return begin(s, w, WIRE_STATE, &body) && msg_state_put(&body, m) && session_step_state(s, m) &&
           end(s, w, WIRE_STATE, &body);
}

bool session_put_addrs(struct session *s, struct wcur *w, const struct msg_addrs *m)
{
    struct wcur body;

    return begin(s, w, WIRE_ADDRS, &body) && msg_addrs_put(&body, m) && session_step_addrs(s, m) &&
           end(s, w, WIRE_ADDRS, &body);
}

bool session_put_epoch_end(struct session *s, struct wcur *w, const struct msg_epoch_end *m)
{
    struct wcur body;

    return begin(s, w, WIRE_EPOCH_END, &body) && msg_epoch_end_put(&body, m) &&
           session_step_epoch_end(s, m) && end(s, w, WIRE_EPOCH_END, &body);
}

bool session_put_beat(struct session *s, struct wcur *w, const struct msg_beat *m)
{
    struct wcur body;

    return begin(s, w, WIRE_BEAT, &body) && msg_beat_put(&body, m) && session_step_beat(s, m) &&
           end(s, w, WIRE_BEAT, &body);
}

bool session_put_ack(struct session *s, struct wcur *w, const struct msg_ack *m)
{
    struct wcur body;

    return begin(s, w, WIRE_ACK, &body) && msg_ack_put(&body, m) && session_step_ack(s, m) &&
           end(s, w, WIRE_ACK, &body);
}

bool session_put_beat_ack(struct session *s, struct wcur *w, const struct msg_ack *m)
{
    struct wcur body;

    return begin(s, w, WIRE_BEAT_ACK, &body) && msg_ack_put(&body, m) &&
           session_step_beat_ack(s, m) && end(s, w, WIRE_BEAT_ACK, &body);
}

bool session_put_handover(struct session *s, struct wcur *w, const struct msg_handover *m)
{
    struct wcur body;

    return begin(s, w, WIRE_HANDOVER, &body) && msg_handover_put(&body, m) &&
           session_step_handover(s, m) && end(s, w, WIRE_HANDOVER, &body);
}

bool session_put_handover_ack(struct session *s, struct wcur *w, const struct msg_handover_ack *m)
{
    struct wcur body;

    return begin(s, w, WIRE_HANDOVER_ACK, &body) && msg_handover_ack_put(&body, m) &&
           session_step_handover_ack(s, m) && end(s, w, WIRE_HANDOVER_ACK, &body);
}

bool session_put_reject(struct session *s, struct wcur *w, const struct msg_reject *m)
{
    struct wcur body;

    return begin(s, w, WIRE_REJECT, &body) && msg_reject_put(&body, m) && session_step_reject(s) &&
           end(s, w, WIRE_REJECT, &body);
}

bool session_put_bye(struct session *s, struct wcur *w, const struct msg_bye *m)
{
    struct wcur body;

    return begin(s, w, WIRE_BYE, &body) && msg_bye_put(&body, m) && session_step_bye(s, s->role) &&
           end(s, w, WIRE_BYE, &body);
}

bool session_put_bye_ack(struct session *s, struct wcur *w)
{
    struct wcur body;

    return begin(s, w, WIRE_BYE_ACK, &body) && session_step_bye_ack(s, s->role) &&
           end(s, w, WIRE_BYE_ACK, &body);
}
