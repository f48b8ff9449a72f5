/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_LINK_H
#define REMUS_LINK_H

#include <errno.h>
#include <event2/event.h>

#include "engine/base/compiler.h"
#include "engine/base/mono.h"
#include "proto/session.h"

/**
 * Joins a connected socket to a protocol session: bytes that arrive become session events, records
 * that are put go out as soon as the socket takes them. One thread, non-blocking.
 */
struct link;

enum link_end {
    LINK_EOF,      /* the peer closed */
    LINK_ERROR,    /* the socket failed (errno in text) */
    LINK_PROTOCOL, /* the peer broke the protocol; a REJECT was sent */
};

struct link_ops {
    /** One valid record; `ev` points into the link's buffer. The callee may call link_free. */
    void (*on_record)(struct link *link, const struct session_event *ev, void *arg);
    /** The link is over. The callee must call link_free, now or later; nothing more is called. */
    void (*on_end)(struct link *link, enum link_end why, const char *text, void *arg);
    /** What is queued fell to half of what may wait after link_full had been true. May be NULL. */
    void (*on_room)(struct link *link, void *arg);
};

/**
 * Takes over the connected `fd`. link_full is true above what leaves within LINK_PACE_NS at the
 * link's observed rate, and above `limit` octets in any case (engine/link/link_pace.h). `role` and
 * `generation` as in session_init. NULL with errno, `fd` then still the caller's.
 */
struct link *link_new(struct event_base *base, int fd, enum session_role role, uint64_t generation,
                      size_t limit, const struct link_ops *ops, void *arg) MUST_CHECK;

/** Closes. With `flush`, what is queued is still offered to the socket once, without waiting. */
void link_free(struct link *link, bool flush); /* NULL is allowed */

struct session *link_session(struct link *link);

/**
 * Room for one record: a cursor over contiguous memory of at least `need` octets
 * (session_record_max() suffices for any). NULL with errno=ENOMEM. Every link_room is followed by
 * link_commit, with the cursor moved behind what was written (or unmoved).
 */
struct wcur *link_room(struct link *link, size_t need) MUST_CHECK;
void link_commit(struct link *link);

/** Room for any record but those with pages, frames, CPU state or a VM's description. */
#define LINK_SMALL 4096

/**
 * Puts one record: `put` is a session_put_* function, called with what follows it. 0; -1 with
 * errno: ENOMEM, EPROTO (not legal in the session's state).
 */
#define LINK_PUT(l, room, put, ...)                                                                \
    ({                                                                                             \
        struct link *link_ = (l);                                                                  \
        struct wcur *w_ = link_room(link_, (room));                                                \
        bool ok_ = w_ && put(link_session(link_), w_, ##__VA_ARGS__);                              \
        if (w_)                                                                                    \
            link_commit(link_);                                                                    \
        if (!ok_)                                                                                  \
            errno = w_ ? EPROTO : ENOMEM;                                                          \
        ok_ ? 0 : -1;                                                                              \
    })

/** Offers what is queued to the socket now instead of at the next turn of the loop. */
void link_flush(struct link *link);

/**
 * From now on the peer's host has to acknowledge what is sent, and to be there when nothing is,
 * within `ms` (its kernel does, whatever the peer is busy with); else the link ends. 0: no longer.
 */
void link_watch_host(struct link *link, int64_t ms);

bool link_full(const struct link *link);
/** Octets that may wait at present; a single record should not be much larger. */
size_t link_budget(const struct link *link);
size_t link_queued(const struct link *link);
uint64_t link_bytes_sent(const struct link *link); /* accepted by the socket */
uint64_t link_bytes_received(const struct link *link);
/** When octets last came, be it a part of a record; long past when none did. */
struct mono link_heard(const struct link *link);

/** Octets wait in the socket that were not read yet: the peer is not silent, this process was late.
 */
bool link_has_input(const struct link *link);

/** Copies every outgoing octet to `path` from now on (for verify_stream.py). -1 with errno. */
int link_record(struct link *link, const char *path) MUST_CHECK;

/** Address of the peer as text, "ADDRESS:PORT"; "?" when unknown. */
const char *link_peer(const struct link *link);

#endif
