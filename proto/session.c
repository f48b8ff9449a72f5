/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/session_impl.h"

#include <stdarg.h>
#include <stdio.h>

/** The two tables of "Record" and "Order" in docs/protocol.md. */
#define BY_PRIMARY (1u << SESSION_PRIMARY)
#define BY_BACKUP  (1u << SESSION_BACKUP)
#define BY_BOTH    (BY_PRIMARY | BY_BACKUP)

#define START    (1u << SESSION_START)
#define GREETED  (1u << SESSION_GREETED)
#define OPEN     (1u << SESSION_OPEN)
#define IN_EPOCH (1u << SESSION_IN_EPOCH)
#define HANDED   (1u << SESSION_HANDED)
#define WELCOMED (OPEN | IN_EPOCH | HANDED)
#define MET      (GREETED | WELCOMED)
#define ANY      (START | MET)

#define PAGES_LEN_MAX (WIRE_PAGES_FIXED + WIRE_PAGES_MAX * (WIRE_PAGE_HEAD_LEN + WIRE_PAGE_SIZE))

static const struct record_rule rules[] = {
    {WIRE_HELLO, BY_PRIMARY, START, 47, WIRE_PAYLOAD_MAX, "HELLO"},
    {WIRE_EPOCH_BEGIN, BY_PRIMARY, OPEN, 20, 20, "EPOCH_BEGIN"},
    {WIRE_PAGES, BY_PRIMARY, IN_EPOCH, 26, PAGES_LEN_MAX, "PAGES"},
    {WIRE_STATE, BY_PRIMARY, IN_EPOCH, 17, 16 + WIRE_STATE_CHUNK, "STATE"},
    {WIRE_FRAMES, BY_PRIMARY, IN_EPOCH, 38, WIRE_PAYLOAD_MAX, "FRAMES"},
    {WIRE_ADDRS, BY_PRIMARY, IN_EPOCH, 36, 10 + WIRE_ADDRS_MAX * 26, "ADDRS"},
    {WIRE_EPOCH_END, BY_PRIMARY, IN_EPOCH, 64, 64, "EPOCH_END"},
    {WIRE_BEAT, BY_PRIMARY, WELCOMED, 8, 8, "BEAT"},
    {WIRE_HANDOVER, BY_PRIMARY, OPEN, 9, 9, "HANDOVER"},
    {WIRE_WELCOME, BY_BACKUP, GREETED, 18, 18, "WELCOME"},
    {WIRE_ACK, BY_BACKUP, WELCOMED, 20, 20, "ACK"},
    {WIRE_BEAT_ACK, BY_BACKUP, WELCOMED, 20, 20, "BEAT_ACK"},
    {WIRE_FRAMES_IN, BY_BACKUP, WELCOMED, 38, WIRE_PAYLOAD_MAX, "FRAMES_IN"},
    {WIRE_HANDOVER_ACK, BY_BACKUP, HANDED, 16, 16, "HANDOVER_ACK"},
    {WIRE_REJECT, BY_BOTH, ANY, 13, 12 + WIRE_TEXT_MAX, "REJECT"},
    {WIRE_BYE, BY_BOTH, MET, 5, 4 + WIRE_TEXT_MAX, "BYE"},
    {WIRE_BYE_ACK, BY_BOTH, MET, 0, 0, "BYE_ACK"},
};

const struct record_rule *session_rule(unsigned type)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i].type == type)
            return &rules[i];
    return NULL;
}

const char *wire_type_name(unsigned type)
{
    const struct record_rule *rule = session_rule(type);

    return rule ? rule->name : "?";
}

const char *session_state_name(enum session_state state)
{
    static const char *const names[] = {
        [SESSION_START] = "START",   [SESSION_GREETED] = "GREETED",
        [SESSION_OPEN] = "OPEN",     [SESSION_IN_EPOCH] = "IN_EPOCH",
        [SESSION_HANDED] = "HANDED", [SESSION_CLOSING] = "CLOSING",
        [SESSION_DEAD] = "DEAD"};

    return (unsigned)state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

void session_init(struct session *s, enum session_role role, uint64_t generation)
{
    *s = (struct session){.role = role, .generation = generation};
}

size_t session_record_max(void)
{
    return WIRE_HEADER_LEN + WIRE_PAYLOAD_MAX;
}

bool session_breach(struct session *s, enum wire_reject code, const char *fmt, ...)
{
    va_list args;

    s->error_code = code;
    va_start(args, fmt);
    vsnprintf(s->error, sizeof(s->error), fmt, args);
    va_end(args);
    return false;
}

/** BYE and BYE_ACK close the direction they were sent in: only an owed BYE_ACK may follow. */
static bool closed(const struct session *s, enum session_role from)
{
    return s->bye[from] || s->bye_ack[from];
}

static bool bye_ack_owed(const struct session *s, enum session_role from)
{
    return s->bye[1 - from] && !s->bye_ack[from];
}

bool session_may(struct session *s, const struct record_rule *rule, enum session_role from)
{
    bool legal = (rule->from >> from & 1) && (rule->phase >> s->phase & 1);

    if (rule->type == WIRE_BYE_ACK)
        legal = legal && bye_ack_owed(s, from);
    else if (rule->type != WIRE_REJECT)
        legal = legal && !closed(s, from);
    if (s->handed_over && (rule->type == WIRE_ACK || rule->type == WIRE_BEAT_ACK ||
                           rule->type == WIRE_FRAMES_IN || rule->type == WIRE_HANDOVER_ACK))
        legal = false;
    return legal || session_breach(s, WIRE_REJECT_PROTOCOL, "%s from the %s in state %s",
                                   rule->name, from == SESSION_PRIMARY ? "primary" : "backup",
                                   session_state_name(s->state));
}

void session_settle(struct session *s)
{
    bool closing = closed(s, SESSION_PRIMARY) || closed(s, SESSION_BACKUP);

    s->state = closing && s->phase != SESSION_DEAD ? SESSION_CLOSING : s->phase;
}

void session_die(struct session *s)
{
    s->phase = SESSION_DEAD;
    session_settle(s);
}
