/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_LINK_IMPL_H
#define REMUS_LINK_IMPL_H

#include <event2/buffer.h>
#include <event2/event.h>

#include "engine/link/link.h"
#include "engine/link/link_pace.h"

/*
 * link.c (life and end), link_out.c, link_in.c. Nobody else includes this.
 */
/* Two largest records: a whole one always fits behind the rest of the one before. */
#define LINK_IN_RECORDS 2

struct link {
    struct event *read_ev, *write_ev;
    int fd, tee_fd;
    struct session session;
    const struct link_ops *ops;
    void *arg;
    uint8_t *in;
    size_t in_start, in_end, in_cap;
    struct evbuffer *out;
    struct evbuffer_iovec room;
    struct wcur cur;
    struct link_pace pace;
    size_t unsent; /* what the kernel may hold unsent, as last set */
    uint64_t sent, received;
    struct mono heard; /* when octets last came */
    int write_error;   /* of link_flush, for the loop to tell; 0: none */
    bool was_full, over, busy, dropped;
    char peer[128];
};

/* link.c: reports the end once; the callee frees. */
void link_over(struct link *link, enum link_end why, const char *text);
void link_over_errno(struct link *link, const char *what);
/* Called last by every event: frees the link if a callback asked for it. */
void link_leave(struct link *link);

/* link_out.c: what the socket takes. -1 with errno. */
int link_write_some(struct link *link);
void link_on_writable(evutil_socket_t fd, short what, void *arg);

/* link_in.c: at most `reads` reads; the link may be over or freed then. */
void link_take_input(struct link *link, unsigned reads);
void link_on_readable(evutil_socket_t fd, short what, void *arg);

#endif
