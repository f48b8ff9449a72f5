/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SESSION_IMPL_H
#define REMUS_SESSION_IMPL_H

#include "proto/session.h"

/** For proto/session*.c only. `from` is always the role that sends the record. */

static inline enum session_role session_peer(const struct session *s)
{
    return s->role == SESSION_PRIMARY ? SESSION_BACKUP : SESSION_PRIMARY;
}

/** What holds for every record of one type, whatever its fields. */
struct record_rule {
    uint16_t type;
    uint8_t from;      /* 1 << role */
    uint16_t phase;    /* 1 << phase, of the side that asks */
    uint32_t min, max; /* octets of payload */
    const char *name;
};

/** NULL: no such type. */
const struct record_rule *session_rule(unsigned type);

/** Notes an offence in s->error and s->error_code; returns false. */
bool session_breach(struct session *s, enum wire_reject code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** May `from` send a record of this kind now? Notes a breach when not. */
bool session_may(struct session *s, const struct record_rule *rule, enum session_role from);

/** Makes `state` follow from `phase` and the BYEs. */
void session_settle(struct session *s);
void session_die(struct session *s);

/**
 * One record of the type is sent or received: checks its fields against the session and carries the
 * session on. false: a breach was noted, nothing is changed.
 */
bool session_step_hello(struct session *s, const struct msg_hello *m);
bool session_step_welcome(struct session *s, const struct msg_welcome *m);
bool session_step_epoch_begin(struct session *s, const struct msg_epoch_begin *m);
bool session_step_pages(struct session *s, const struct msg_pages *m);
bool session_step_state(struct session *s, const struct msg_state *m);
bool session_step_frames(struct session *s, const struct msg_frames *m);
bool session_step_frames_in(struct session *s, const struct msg_frames *m);
bool session_step_addrs(struct session *s, const struct msg_addrs *m);
bool session_step_epoch_end(struct session *s, const struct msg_epoch_end *m);
bool session_step_beat(struct session *s, const struct msg_beat *m);
bool session_step_ack(struct session *s, const struct msg_ack *m);
bool session_step_beat_ack(struct session *s, const struct msg_ack *m);
bool session_step_handover(struct session *s, const struct msg_handover *m);
bool session_step_handover_ack(struct session *s, const struct msg_handover_ack *m);
bool session_step_reject(struct session *s);
bool session_step_bye(struct session *s, enum session_role from);
bool session_step_bye_ack(struct session *s, enum session_role from);

/** Fills in header and CRC of a record at `start` whose payload is in place. */
void session_seal_record(struct session *s, uint8_t *start, enum wire_type type, uint32_t len);

#endif
