/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SESSION_H
#define REMUS_SESSION_H

#include "proto/message.h"

/**
 * One connection's protocol state for both roles: no I/O, no clock, no memory of its own. Bytes in,
 * events out; messages in, bytes out. It enforces which record may come when ("Order" in
 * docs/protocol.md), generation, sequence, CRC, per-epoch order and counts, by the same rules for
 * what is sent and what is received. What an epoch means for a replica or a VM is not its business,
 * nor is whether a page comes twice in an epoch.
 */
enum session_role { SESSION_PRIMARY, SESSION_BACKUP };
#define SESSION_ROLES 2

enum session_state {
    SESSION_START,    /* nothing exchanged */
    SESSION_GREETED,  /* HELLO sent / received */
    SESSION_OPEN,     /* WELCOME sent / received; between epochs */
    SESSION_IN_EPOCH, /* sender side of the stream is inside an epoch */
    SESSION_HANDED,   /* HANDOVER sent / received */
    SESSION_CLOSING,  /* BYE sent or received */
    SESSION_DEAD,     /* REJECT or protocol error: nothing more may be sent or is accepted */
};

struct session {
    enum session_role role;
    enum session_state state;
    enum session_state phase; /* as `state`, but what lies below CLOSING stays visible */
    uint64_t generation;      /* of this session: every record of both directions carries it */
    uint64_t tx_seq, rx_seq;
    uint32_t features;    /* negotiated */
    uint64_t pages_limit; /* pfn must be below (from HELLO) */
    uint64_t staging_pages;
    uint64_t epoch; /* current or last epoch in the stream */
    uint32_t epoch_flags;
    uint64_t pages, frames; /* items of the current epoch so far */
    uint32_t state_total, state_got;
    uint64_t sealed;  /* last ACK sent / received */
    uint64_t ended;   /* last EPOCH_END sent / received */
    uint64_t sent_ns; /* greatest one sent / received: no echo may be above it */
    bool bye[SESSION_ROLES], bye_ack[SESSION_ROLES]; /* by the role that sent it */
    bool handed_over;                                /* HANDOVER_ACK sent / received */
    /* Why session_recv failed, or in which rule a session_put_* broke off. */
    uint16_t error_code; /* enum wire_reject */
    char error[WIRE_TEXT_MAX + 1];
};

/** `generation`: the primary's own; a backup passes 0 and takes over the one in HELLO. */
void session_init(struct session *s, enum session_role role, uint64_t generation);

struct session_event {
    enum wire_type type;
    uint64_t generation; /* of the record; differs from the session's only in REJECT */
    union {
        struct msg_hello hello;
        struct msg_welcome welcome;
        struct msg_epoch_begin begin;
        struct msg_pages pages;
        struct msg_state state;
        struct msg_frames frames; /* FRAMES and FRAMES_IN */
        struct msg_addrs addrs;
        struct msg_epoch_end end;
        struct msg_beat beat;
        struct msg_ack ack; /* ACK and BEAT_ACK */
        struct msg_handover handover;
        struct msg_handover_ack handover_ack;
        struct msg_reject reject;
        struct msg_bye bye; /* BYE; BYE_ACK has no payload */
    } u;
};

/**
 * Takes at most one record from buf[n]. 1: *ev filled (pointing into buf), *used octets consumed.
 * 0: more octets needed, at least *need in total; *used is 0 (an unknown optional record is
 * skipped: *used > 0 with result 0). -1: error; s is DEAD, s->error and s->error_code say why, the
 * caller should send session_put_reject and close. The header is checked (magic, length cap, type,
 * generation, sequence) as soon as it is there, before the payload has come.
 */
int session_recv(struct session *s, const uint8_t *buf, size_t n, struct session_event *ev,
                 size_t *used, size_t *need) WIRE_MUST_CHECK;

/**
 * Append one record to `w`. false when it is not legal in this state (s->error says why), a field
 * is out of range, or the cursor is short; then `w` and the session's state are as before.
 * session_record_max() octets of room always suffice.
 */
bool session_put_hello(struct session *s, struct wcur *w,
                       const struct msg_hello *m) WIRE_MUST_CHECK;
bool session_put_welcome(struct session *s, struct wcur *w,
                         const struct msg_welcome *m) WIRE_MUST_CHECK;
bool session_put_epoch_begin(struct session *s, struct wcur *w,
                             const struct msg_epoch_begin *m) WIRE_MUST_CHECK;
bool session_put_state(struct session *s, struct wcur *w,
                       const struct msg_state *m) WIRE_MUST_CHECK;
bool session_put_addrs(struct session *s, struct wcur *w,
                       const struct msg_addrs *m) WIRE_MUST_CHECK;
bool session_put_epoch_end(struct session *s, struct wcur *w,
                           const struct msg_epoch_end *m) WIRE_MUST_CHECK;
bool session_put_beat(struct session *s, struct wcur *w, const struct msg_beat *m) WIRE_MUST_CHECK;
bool session_put_ack(struct session *s, struct wcur *w, const struct msg_ack *m) WIRE_MUST_CHECK;
bool session_put_beat_ack(struct session *s, struct wcur *w,
                          const struct msg_ack *m) WIRE_MUST_CHECK;
bool session_put_handover(struct session *s, struct wcur *w,
                          const struct msg_handover *m) WIRE_MUST_CHECK;
bool session_put_handover_ack(struct session *s, struct wcur *w,
                              const struct msg_handover_ack *m) WIRE_MUST_CHECK;
/** Legal in every state, DEAD included; leaves it DEAD. Works on a session that has seen no HELLO.
 */
bool session_put_reject(struct session *s, struct wcur *w,
                        const struct msg_reject *m) WIRE_MUST_CHECK;
bool session_put_bye(struct session *s, struct wcur *w, const struct msg_bye *m) WIRE_MUST_CHECK;
bool session_put_bye_ack(struct session *s, struct wcur *w) WIRE_MUST_CHECK;

size_t session_record_max(void);

/**
 * PAGES and FRAMES are built item by item, straight into the output buffer:
 *   begin (reserves the headers), add*, end (fills in lengths, sequence and CRC).
 * Between begin and end nothing else may be put. An empty record is taken back by end.
 */
struct pages_writer {
    struct session *s;
    uint8_t *start, *head, *data; /* of the record; where the next head and the next data go */
    uint16_t count, cap;
};
/**
 * `cap` pages at most (1..WIRE_PAGES_MAX). false: no room for a full record of `cap` pages, not
 * inside an epoch, or the epoch has no FULL and `cap` more pages would pass the backup's
 * staging_pages.
 */
bool session_pages_begin(struct session *s, struct pages_writer *pw, struct wcur *w,
                         uint16_t cap) WIRE_MUST_CHECK;
/**
 * Codes `page` with page_encode and adds it unless unchanged. Returns the enum page_choice, or
 * PAGES_FULL after `cap` pages. `pfn` is below HELLO's pages.
 */
enum page_choice_or_full { PAGES_FULL = -2 };
int session_pages_add(struct pages_writer *pw, uint64_t pfn, const uint8_t *page,
                      const uint8_t *base);
/** Moves `w` behind the record; returns its octets (0: it was empty). */
size_t session_pages_end(struct pages_writer *pw, struct wcur *w);

struct frames_writer {
    struct session *s;
    uint8_t *start;
    struct wcur data; /* where the next frame goes, and the record's limit */
    uint16_t count;
    enum wire_type type;
};
/**
 * type FRAMES (inside an epoch, epoch is the session's) or FRAMES_IN (epoch 0). All of `w` is used,
 * up to a record's maximum. false: not legal now, or no room for any frame.
 */
bool session_frames_begin(struct session *s, struct frames_writer *fw, struct wcur *w,
                          enum wire_type type) WIRE_MUST_CHECK;
/**
 * false: does not fit any more; end this record and begin another. A length outside
 * WIRE_FRAME_MIN..WIRE_FRAME_MAX fits no record, an empty one included.
 */
bool session_frames_add(struct frames_writer *fw, const void *frame, size_t len) WIRE_MUST_CHECK;
size_t session_frames_end(struct frames_writer *fw, struct wcur *w);

/** Name of a record type / state, for logs; "?" when unknown. */
const char *wire_type_name(unsigned type);
const char *session_state_name(enum session_state state);

#endif
